import { stripVTControlCharacters } from 'node:util';

import type { RunEvent } from '@anneal/core';
import xterm from '@xterm/headless';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { drawBar } from '../src/progress/draw.ts';
import { liveReporter } from '../src/progress/live.ts';
import { plainReporter } from '../src/progress/plain.ts';
import { ProgressState } from '../src/progress/state.ts';
import { bytes, clock, count, duration, quality, short, signed } from '../src/ui/numbers.ts';
import { createStyle } from '../src/ui/style.ts';
import { columns, cutStart, widthOf, wrap } from '../src/ui/text.ts';
import { capture, events } from './fakes.ts';

const style = createStyle(false);
const options = { style, debug: false, quiet: false };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const progress = (id: number, done: number, total?: number, more: Partial<RunEvent> = {}): RunEvent =>
  ({ type: 'progress', id, label: `work ${id}`, done, total, note: undefined, finished: false, ...more }) as RunEvent;
const start: RunEvent = { type: 'phase-start', stage: 'base', phase: 'train' };

/** A real terminal's screen, fed with everything that a reporter writes. */
function screen(columnCount: number, rows: number) {
  const terminal = new xterm.Terminal({ cols: columnCount, rows, allowProposedApi: true, convertEol: true });
  const out = capture({ columns: columnCount, rows });
  const writes: string[] = [];
  const write = (text: string): boolean => {
    writes.push(text);
    terminal.write(text);
    return true;
  };
  const text = async (): Promise<string[]> => {
    // Writes are handled in order: this one is after all that is to be seen.
    const written = new Promise<void>((resolve) => terminal.write('', resolve));
    await vi.advanceTimersByTimeAsync(1);
    await written;
    const { active } = terminal.buffer;
    return Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true) ?? '').filter(
      (line) => line !== '',
    );
  };
  return {
    out: Object.defineProperty(out, 'write', { value: write }),
    writes,
    text,
    resize: (to: number): void => {
      terminal.resize(to, rows);
      out.resize(to);
    },
  };
}

describe('live', () => {
  it('draws bars below what has scrolled by, and leaves nothing behind', async () => {
    const { out, text, writes } = screen(80, 24);
    const reporter = liveReporter(out, options, () => Date.now() / 1000);
    for (const event of events.slice(0, 5)) reporter.event(event);
    for (let done = 0; done <= 20; done++) {
      reporter.event(progress(0, done, 40, { label: 'train base', note: 'loss 0.31' } as Partial<RunEvent>));
      reporter.event(progress(1, done * 10, undefined, { label: 'reading' } as Partial<RunEvent>));
      await vi.advanceTimersByTimeAsync(500);
    }
    expect((await text()).map((line) => line.replace(/^[⠁-⣿]/, '*'))).toEqual([
      '! text-data: 3 mails cannot be parsed',
      '✓ base     data       2.1 s',
      '* base     train      0:10',
      '  train base  ━━━━━━━━━━━──────────   50 %  20/40  2.00/s  0:10 left  loss 0.31',
      '  reading     200  20.0/s',
    ]);
    reporter.event({ type: 'phase-end', stage: 'base', phase: 'train', seconds: 10.5, cached: false });
    reporter.note('done');
    reporter.close();
    reporter.close();
    expect(await text()).toEqual([
      '! text-data: 3 mails cannot be parsed',
      '✓ base     data       2.1 s',
      '✓ base     train      11 s',
      'done',
    ]);
    // The cursor is hidden once and shown once, and every frame is one write that begins and ends as a whole.
    const all = writes.join('');
    expect(all.split('\u001b[?25l')).toHaveLength(2);
    expect(all.endsWith('\u001b[?25h')).toBe(true);
    for (const frame of writes.slice(0, -1)) {
      expect([frame.startsWith('\u001b[?2026h'), frame.endsWith('\u001b[?2026l')]).toEqual([true, true]);
    }
    for (const frame of writes) expect(frame).not.toContain('\u001b[2J');
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [80, 33],
    [80, 120],
    [100, 41],
    [60, 59],
  ])('survives a terminal that goes from %i to %i columns', async (from, to) => {
    const { out, text, resize } = screen(from, 12);
    const reporter = liveReporter(out, options, () => Date.now() / 1000);
    reporter.event(start);
    const advance = async (done: number): Promise<void> => {
      for (const id of [0, 1, 2]) reporter.event(progress(id, done, 50));
      await vi.advanceTimersByTimeAsync(1000);
    };
    for (let done = 0; done < 10; done++) await advance(done);
    await text();
    resize(to);
    reporter.note('resized');
    for (let done = 10; done < 20; done++) await advance(done);
    const lines = await text();
    expect(lines.filter((line) => line.includes('resized'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('train'))).toHaveLength(1);
    for (const id of [0, 1, 2]) expect(lines.filter((line) => line.includes(`work ${id}`))).toHaveLength(1);
    reporter.close();
    expect(await text()).toEqual(['resized']);
  });

  it('does not scroll when there are more bars than rows', async () => {
    const { out, text } = screen(60, 6);
    const reporter = liveReporter(out, options, () => Date.now() / 1000);
    reporter.event(start);
    for (let done = 0; done < 5; done++) {
      for (let id = 0; id < 20; id++) reporter.event(progress(id, done, 50));
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(await text()).toHaveLength(5);
    reporter.close();
    expect(await text()).toEqual([]);
  });

  it('breaks long lines at spaces and passes nothing on that a terminal obeys', async () => {
    const { out, text } = screen(40, 10);
    const reporter = liveReporter(out, options, () => Date.now() / 1000);
    reporter.event({
      type: 'log',
      entry: { level: 'warn', message: `subject \u001b[2J${'word '.repeat(12).trim()}`, tag: 'text-data' },
    });
    reporter.close();
    expect(await text()).toEqual([
      '! text-data: subject \ufffd[2Jword word word',
      '  word word word word word word word',
      '  word word',
    ]);
  });
});

describe('plain', () => {
  it('writes a line about running work every few seconds', async () => {
    const out = capture();
    const reporter = plainReporter(out, options, () => Date.now() / 1000);
    reporter.event(start);
    for (let done = 0; done <= 24; done++) {
      reporter.event(progress(0, done, 40, { note: 'loss 0.31' } as Partial<RunEvent>));
      await vi.advanceTimersByTimeAsync(500);
    }
    reporter.close();
    expect(out.text().split('\n')).toEqual([
      '> base     train',
      '  work 0: 25 %, 10/40, 2.00/s, 0:15 left, loss 0.31',
      '  work 0: 50 %, 20/40, 2.00/s, 0:10 left, loss 0.31',
      '',
    ]);
  });
});

describe('state', () => {
  it('measures the rate of late, and forgets what ended', () => {
    let now = 0;
    const state = new ProgressState(() => now);
    state.event(start);
    for (; now < 20; now++) state.event(progress(0, now, 1000));
    for (let i = 0; i < 20; i++, now++) state.event(progress(0, 19 + i * 10, 1000));
    const [bar] = state.bars();
    expect(bar?.rate).toBeGreaterThan(9);
    expect(bar?.eta).toBeCloseTo((1000 - 209) / (bar?.rate ?? 0), 6);
    state.event(progress(1, 1));
    state.event(progress(0, 1000, 1000, { finished: true } as Partial<RunEvent>));
    expect(state.bars().map(({ label }) => label)).toEqual(['work 1']);
    state.event({ type: 'phase-end', stage: 'base', phase: 'train', seconds: 1, cached: false });
    expect(state.bars()).toEqual([]);
    expect(state.phase()).toBeUndefined();
  });

  it.each([
    [0, 0],
    [5, 0],
    [7, 5],
    [-1, 10],
  ])('draws %i of %i without breaking', (done, total) => {
    const state = new ProgressState(() => 0);
    state.event(progress(0, done, total));
    for (const bar of state.bars()) expect(widthOf(drawBar(bar, 6, 50, style))).toBeLessThanOrEqual(50);
  });

  it('leaves out what does not fit, the note first and the label last', () => {
    const bar = { label: 'train 日本', done: 1234, total: 5000, note: 'loss 0.31', since: 1, rate: 12.34, eta: 75 };
    const widths = [90, 70, 56, 44, 30, 12];
    expect(widths.map((width) => drawBar(bar, widthOf(bar.label), width, style))).toMatchInlineSnapshot(`
      [
        "  train 日本  ━━━━━━────────────────────   24 %  1,234/5,000  12.3/s  1:15 left  loss 0.31",
        "  train 日本  ━━━━─────────────   24 %  1,234/5,000  12.3/s  1:15 left",
        "  train 日本  ━━━────────   24 %  1,234/5,000  1:15 left",
        "  train 日本  ━━━─────────   24 %  1:15 left",
        "  train 日本  ━━───────   24 %",
        "  train 日…",
      ]
    `);
    for (const width of widths)
      expect(widthOf(drawBar(bar, widthOf(bar.label), width, style))).toBeLessThanOrEqual(width);
  });
});

describe('numbers and text', () => {
  it('formats', () => {
    expect([0, 7, 1234, 0.5, 12.345, 99.97].map(count)).toEqual(['0', '7', '1,234', '0.500', '12.3', '100']);
    expect([0, 7, 0.25, 999, 1234, 45_210, 1.47e6, 3.2e9].map(short)).toEqual([
      '0',
      '7',
      '0.250',
      '999',
      '1.23 k',
      '45.2 k',
      '1.47 M',
      '3.20 G',
    ]);
    expect([12, 999_600, 5_903_535].map(bytes)).toEqual(['12 B', '1.00 MB', '5.90 MB']);
    expect([0, 0.84, 9.96, 59.6, 192, 7500, Number.NaN].map(duration)).toEqual([
      '0.0 s',
      '0.8 s',
      '10 s',
      '1 min 0 s',
      '3 min 12 s',
      '2 h 5 min',
      '–',
    ]);
    expect([0, 42, 723, 3723, -1, Number.POSITIVE_INFINITY].map(clock)).toEqual([
      '0:00',
      '0:42',
      '12:03',
      '1:02:03',
      '0:00',
      '–:––',
    ]);
    expect([0.9812, 321.4].map(quality)).toEqual(['0.9812', '321']);
    expect([0.0012, -0.004, 0, -0.00001].map(signed)).toEqual(['+0.0012', '-0.0040', '0.0000', '0.0000']);
  });

  it('aligns columns by what is seen, and breaks the last one', () => {
    const painted = createStyle(true);
    const rows = [
      ['a', painted.green('12'), 'one two three four five six'],
      ['日本', '3', 'x'],
    ];
    const text = columns(rows, { align: ['left', 'right'], width: 30 });
    expect(stripVTControlCharacters(text)).toBe('  a     12  one two three four\n            five six\n  日本   3  x');
    expect(columns([])).toBe('');
  });

  it('cuts names at the start', () => {
    expect(cutStart('layer.0.dense.weight', 30)).toBe('layer.0.dense.weight');
    expect(cutStart('layer.0.dense.weight', 13)).toBe('…dense.weight');
    expect(widthOf(cutStart('日本語.weight', 10))).toBeLessThanOrEqual(10);
  });

  it('wraps without losing a word', () => {
    const text = '  the quick brown fox jumps over the lazy dog and a-word-that-is-longer-than-a-line';
    const wrapped = wrap(text, 20, 4);
    expect(wrapped.split(/\s+/).join(' ')).toBe(text.split(/\s+/).join(' '));
    for (const line of wrapped.split('\n').slice(0, -1)) expect(line.length).toBeLessThanOrEqual(20);
    expect(wrap('', 10, 2)).toBe('');
  });
});
