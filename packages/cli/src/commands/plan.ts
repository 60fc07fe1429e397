import type { PlanEntry } from '@anneal/core';

import { type Command, loadConfigFor, widthFor } from '../context.ts';
import { bytes, duration } from '../ui/numbers.ts';
import { columns, oneLine, wrap } from '../ui/text.ts';

/** What the estimates are based on, each once. */
function bases(entries: readonly PlanEntry[], width: number): readonly string[] {
  const uses = new Map<string, string[]>();
  for (const what of ['time', 'memory'] as const) {
    for (const entry of entries) {
      const basis = (what === 'time' ? entry.seconds : entry.memory)?.basis;
      if (basis === undefined) continue;
      const key = `${what}, from ${basis}`;
      uses.set(key, [...(uses.get(key) ?? []), `${entry.stage} ${entry.phase}`]);
    }
  }
  return [...uses].map(([key, places]) => wrap(`  ${oneLine(`${key}: ${places.join(', ')}`)}`, width, 4));
}

function summary(entries: readonly PlanEntry[]): string {
  const runs = entries.filter(({ cached }) => !cached);
  if (runs.length === 0) return 'everything is cached';
  const known = runs.flatMap(({ seconds }) => (seconds === undefined ? [] : [seconds.value]));
  const total = duration(known.reduce((sum, value) => sum + value, 0));
  const unknown = runs.length - known.length;
  const time =
    known.length === 0
      ? 'nothing is known about the time'
      : `about ${total}${unknown === 0 ? '' : `, and ${unknown} of which nothing is known`}`;
  return `${runs.length} of ${entries.length} phases would run: ${time}`;
}

/** `anneal plan [stage…]` */
export const plan: Command = async (context) => {
  const { args, options, services, style } = context;
  const pipeline = await services.createPipeline(await loadConfigFor(context), { strict: options.flag('strict') });
  try {
    const entries = await pipeline.plan(args.length === 0 ? {} : { stages: args });
    if (options.flag('json')) {
      context.json(entries);
      return 0;
    }
    const width = widthFor(context);
    const rows = entries.map(({ stage, phase, cached, seconds, memory, reason }) => [
      oneLine(stage),
      phase,
      cached ? style.green('cached') : style.yellow('run'),
      seconds === undefined ? '' : duration(seconds.value),
      memory === undefined ? '' : bytes(memory.value),
      oneLine(reason ?? ''),
    ]);
    const head = ['stage', 'phase', '', 'time', 'memory', 'why'].map(style.dim);
    const align = ['left', 'left', 'left', 'right', 'right'] as const;
    context.print(columns([head, ...rows], { align, width }));
    context.print(`\n${summary(entries)}`);
    const notes = bases(entries, width);
    if (notes.length > 0) context.print(style.dim(notes.join('\n')));
    return 0;
  } finally {
    await pipeline.close();
  }
};
