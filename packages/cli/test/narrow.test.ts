import { describe, expect, it } from 'vitest';

import { main } from '../src/main.ts';
import { createStyle } from '../src/ui/style.ts';
import { columns, widthOf } from '../src/ui/text.ts';
import { fakeIo, fakeServices } from './fakes.ts';

/** The longest line of a text. */
const longest = (text: string): number => Math.max(...text.split('\n').map(widthOf));

describe('in a terminal of any width', () => {
  it.each([
    ['--help'],
    ['build', '--help'],
    ['eval', '--help'],
    ['init', '--help'],
    ['inspect', '--help'],
    ['plan'],
    ['inspect', 'hooks'],
  ])('%s %s is no wider', async (...argv) => {
    for (let width = 44; width <= 160; width += 4) {
      const io = fakeIo({ terminal: width });
      await main(argv, io, fakeServices().services);
      const shown = io.stdout.text();
      // Examples are whole command lines, to be copied.
      const text = shown.split('Examples')[0] as string;
      expect(longest(text), `${width} columns:\n${shown}`).toBeLessThanOrEqual(width);
    }
  });
});

describe('columns', () => {
  const style = createStyle(true);
  const rows = [
    ['a', 'train', style.dim('one two three four five six seven')],
    ['b', 'evaluate', ''],
  ];
  const plain = (text: string): readonly string[] =>
    // eslint-disable-next-line no-control-regex
    text.replaceAll(/\u001b\[[\d;]*m/g, '').split('\n');

  it('are broken in the last one, where there is room, and stay painted', () => {
    const text = columns(rows, { width: 40 });
    expect(plain(text)).toEqual([
      '  a  train     one two three four five',
      '               six seven',
      '  b  evaluate',
    ]);
    expect(text).toContain(style.dim('six seven'));
  });

  it('put the last one below the row, where there is little room', () => {
    expect(plain(columns(rows, { width: 30 }))).toEqual([
      '  a  train',
      '    one two three four five',
      '    six seven',
      '  b  evaluate',
    ]);
  });

  it('move the last one up to the one before, where that is enough', () => {
    const some = [
      ['name', 'x'.repeat(20), 'one'],
      ['second', 'y', 'one two three'],
    ];
    expect(plain(columns(some, { width: 32 }))).toEqual([
      `  name    ${'x'.repeat(20)}`,
      '    one',
      '  second  y  one two three',
    ]);
  });
});
