import type { TapTimings } from '@anneal/core';

import { count, digits } from './numbers.ts';
import type { Style } from './style.ts';
import { columns, oneLine } from './text.ts';

const ms = (value: number): string => (value < 0.1 ? `${digits(1000 * value)} µs` : `${digits(value)} ms`);

/** What each plugin took in each hook, in all stages together, the longest first. */
export function timingsText(timings: readonly TapTimings[], style: Style): string {
  const merged = new Map<string, { plugin: string; hook: string; calls: number; ms: number; maxMs: number }>();
  for (const { plugin, hook, calls, ms: total, maxMs } of timings) {
    const key = `${plugin}\0${hook}`;
    const row = merged.get(key) ?? { plugin, hook, calls: 0, ms: 0, maxMs: 0 };
    merged.set(key, { ...row, calls: row.calls + calls, ms: row.ms + total, maxMs: Math.max(row.maxMs, maxMs) });
  }
  const rows = [...merged.values()]
    .toSorted((a, b) => b.ms - a.ms)
    .map((row) => [
      style.cyan(oneLine(row.plugin)),
      oneLine(row.hook),
      count(row.calls),
      ms(row.ms),
      ms(row.ms / row.calls),
      ms(row.maxMs),
    ]);
  const head = ['plugin', 'hook', 'calls', 'total', 'mean', 'longest'].map((text) => style.dim(text));
  const table = columns([head, ...rows], { align: ['left', 'left', 'right', 'right', 'right', 'right'] });
  return `${style.bold('Hooks')} ${style.dim('what a hook waits for is counted in it')}\n${table}\n`;
}
