/**
 * Repair of UTF-8 that was read as Latin-1 or Windows-1252 (`cafÃ©` for `café`). The idea, undo the wrong decoding only
 * where the result explains the text better, is that of ftfy (Speer, 2019); the evidence rules here are our own.
 */

/** Characters of Windows-1252 for the bytes 0x80 to 0x9f; the five unassigned bytes stay control characters. */
const C1_BLOCK =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

/** One misread UTF-8 sequence: a lead byte and its continuation bytes, each shown as a character. */
const SEQUENCE = new RegExp(
  ['[\\u00c2-\\u00df]T', '[\\u00e0-\\u00ef]T{2}', '[\\u00f0-\\u00f4]T{3}']
    .join('|')
    .replaceAll('T', `[\\u0080-\\u00bf${C1_BLOCK}]`),
  'g',
);

/** Everything that a misread byte beyond ASCII can look like, as long as it goes on. */
const RUN = new RegExp(`[\\u0080-\\u00ff${C1_BLOCK}]+`, 'g');

/** Letters of the upper half of Latin-1: on their own, they say that the text was read correctly. */
const LETTER = /[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]/;

/** What really stands behind a letter: quotes, dashes, an ellipsis, a no-break space, guillemets, a degree sign … */
const AFTER_LETTER: ReadonlySet<string> = new Set(
  '\u00a0\u00ab\u00bb\u2018\u2019\u201c\u201d\u2026\u2013\u2014\u2039\u203a\u00ae\u2122\u00a9\u00b0\u00ba\u00aa\u00b2\u00b3\u00b9\u00b7\u0160\u0161\u017d\u017e\u0152\u0153\u0178\u0192',
);
/** The shorter list for `Â` and `Ã`, which end words in few languages and lead most misread Western text. */
const AFTER_A: ReadonlySet<string> = new Set(
  '\u00a0\u00ab\u00bb\u2018\u2019\u201c\u201d\u2026\u2013\u2014\u2039\u203a\u0160\u0161\u017d\u017e\u0152\u0153\u0178',
);

/** Code points that text of today has; a decoding that lands elsewhere is a coincidence. Pairs of first and last. */
const PLAUSIBLE: readonly (readonly [number, number])[] = [
  [0x0080, 0x017f],
  [0x0192, 0x0192],
  [0x01a0, 0x01a1],
  [0x01af, 0x01b0],
  [0x0218, 0x021b],
  [0x02bc, 0x02dd],
  [0x0300, 0x030c],
  [0x0323, 0x0331],
  [0x0370, 0x045f],
  [0x0490, 0x0491],
  [0x05be, 0x05f4],
  [0x060c, 0x06ff],
  [0x0900, 0x0e5b],
  [0x10d0, 0x10ff],
  [0x1e00, 0x1fff],
  [0x2009, 0x2044],
  [0x20a0, 0x20c0],
  [0x2100, 0x214f],
  [0x2190, 0x23ff],
  [0x2500, 0x27bf],
  [0x3000, 0x30ff],
  [0x3400, 0x9fff],
  [0xac00, 0xd7a3],
  [0xfe0e, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xff01, 0xffee],
  [0xfffd, 0xfffd],
  [0x1f000, 0x1faff],
];

/** Text that was encoded wrongly several times takes as many rounds. */
const MAX_ROUNDS = 4;

/**
 * `text` with misread UTF-8 repaired. Works by line: a line is repaired when at least one sequence in it can hardly be
 * meant as written and no letter contradicts it; a lone pair such as `Ä…`, which may end a Finnish sentence, is left.
 */
export function repairMojibake(text: string): string {
  let current = text;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = repairOnce(current);
    if (next === current) break;
    current = next;
  }
  return current;
}

/** Windows-1252 characters for C1 control characters, which no text means: they are misread bytes 0x80 to 0x9f. */
export function repairC1(text: string): string {
  return text.replace(/[\u0080-\u009f]/g, (character) => C1_BLOCK[character.charCodeAt(0) - 0x80]!);
}

function repairOnce(text: string): string {
  if (text.search(SEQUENCE) < 0) return text;
  const lines = text.split('\n');
  const verdicts = lines.map(judge);
  const convinced = verdicts.includes('broken') && !verdicts.includes('mixed');
  return lines
    .map((line, i) => {
      const verdict = verdicts[i]!;
      if (verdict === 'broken') return line.replace(SEQUENCE, (raw) => decoded(raw) ?? raw);
      // Other encodings read as Latin-1 (GBK, Big5, EUC-KR) hold accidental sequences, but between other letters.
      if (verdict === 'mixed') return line.replace(RUN, (run) => repairedRun(run));
      // A line with nothing but doubtful pairs follows the rest of its text.
      return convinced ? line.replace(SEQUENCE, (raw) => (isWestern(raw) ? (decoded(raw) ?? raw) : raw)) : line;
    })
    .join('\n');
}

function repairedRun(run: string): string {
  const sequences = run.match(SEQUENCE) ?? [];
  const whole = sequences.join('') === run && sequences.every((raw) => isCertain(raw) && decoded(raw) !== undefined);
  return whole ? sequences.map((raw) => decoded(raw)!).join('') : run;
}

type Verdict = 'broken' | 'mixed' | 'clean';

function judge(line: string): Verdict {
  const sequences = line.match(SEQUENCE) ?? [];
  if (!sequences.some((raw) => decoded(raw) !== undefined && !isNatural(raw))) return 'clean';
  const rest = line.replace(SEQUENCE, (raw) => (decoded(raw) === undefined ? raw : ''));
  return LETTER.test(rest) ? 'mixed' : 'broken';
}

/** Whether a reader could have meant the sequence as it stands: a letter with the punctuation that follows letters. */
function isNatural(raw: string): boolean {
  const after = isWestern(raw) ? AFTER_A : AFTER_LETTER;
  return Array.from(raw.slice(1)).every((character) => after.has(character));
}

function isWestern(raw: string): boolean {
  return raw[0] === '\u00c2' || raw[0] === '\u00c3';
}

function isCertain(raw: string): boolean {
  return !isNatural(raw) && (raw.length > 2 || isWestern(raw));
}

/** The character a sequence stands for, if it is valid UTF-8 of a plausible character. */
function decoded(raw: string): string | undefined {
  const lead = byteOf(raw, 0);
  let codepoint = lead & (0xff >> (raw.length + 1));
  for (let i = 1; i < raw.length; i++) codepoint = (codepoint << 6) | (byteOf(raw, i) & 0x3f);
  const shortest = [0, 0, 0x80, 0x800, 0x10000][raw.length]!;
  if (codepoint < shortest) return undefined;
  return PLAUSIBLE.some(([first, last]) => codepoint >= first && codepoint <= last)
    ? String.fromCodePoint(codepoint)
    : undefined;
}

function byteOf(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code <= 0xff ? code : 0x80 + C1_BLOCK.indexOf(text[index]!);
}
