import {
  AnnealError,
  type CacheEntry,
  type Collected,
  describeDifference,
  type Explanation,
  suggest,
} from '@anneal/core';

import { type Command, type Context, loadConfigFor, widthFor } from '../context.ts';
import { bytes, count, duration } from '../ui/numbers.ts';
import { columns, oneLine, wrap } from '../ui/text.ts';

const PHASES: readonly string[] = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'];

/** `3 min 12 s ago`. */
const ago = (date: Date): string => `${duration(Math.max(0, Date.now() - date.getTime()) / 1000)} ago`;
const sizeOf = (entries: readonly CacheEntry[]): number => entries.reduce((sum, entry) => sum + entry.bytes, 0);

async function list(context: Context): Promise<number> {
  const { options, services, style } = context;
  const config = await loadConfigFor(context);
  const entries = await services.openCache(config).list();
  if (options.flag('json')) {
    context.json(entries);
    return 0;
  }
  const rows = entries.map(({ stage, phase, bytes: size, seconds, usedAt, key, inUse }) => [
    oneLine(stage ?? '–'),
    phase,
    bytes(size),
    seconds === undefined ? '' : duration(seconds),
    ago(usedAt),
    style.dim(key.slice(0, 12)),
    inUse ? style.yellow('in use') : '',
  ]);
  const head = ['stage', 'phase', 'size', 'took', 'used', 'key'].map(style.dim);
  if (rows.length > 0) context.print(columns([head, ...rows], { align: ['left', 'left', 'right', 'right', 'right'] }));
  const total = `${count(entries.length)} ${entries.length === 1 ? 'entry' : 'entries'}, ${bytes(sizeOf(entries))}`;
  context.print(`${rows.length > 0 ? '\n' : ''}${total} of at most ${bytes(config.cache.maxBytes)}`);
  return 0;
}

/** `train`, `base`, `base/train`. */
function placeOf(text: string | undefined): { readonly stage?: string; readonly phase?: Explanation['phase'] } {
  if (text === undefined) return {};
  const [first = '', second] = text.split('/', 2);
  const phase = second ?? (PHASES.includes(first) ? first : undefined);
  const stage = second !== undefined || phase === undefined ? first : undefined;
  if (phase !== undefined && !PHASES.includes(phase)) {
    throw new AnnealError('ANNEAL_E_USAGE', `\`${phase}\` is no phase`, { fix: `use one of ${PHASES.join(', ')}` });
  }
  return {
    ...(stage !== undefined && { stage }),
    ...(phase !== undefined && { phase: phase as Explanation['phase'] }),
  };
}

/** Inputs that are listed of one phase; thousands of files may have changed. */
const MAX_CHANGES = 12;

function explanation({ stage, phase, cached, compared, differences, key }: Explanation, context: Context): string {
  const { style } = context;
  const width = widthFor(context);
  const state = cached ? style.green('cached') : style.yellow('would run');
  const head = `${style.bold(`${oneLine(stage)} ${phase}`)}  ${state}  ${style.dim(key.slice(0, 12))}`;
  if (cached) return head;
  if (compared === undefined) return `${head}\n  was never done`;
  if (compared.key === key) {
    return `${head}\n  was done ${ago(compared.at)}; its result is not ${phase === 'emit' ? 'in the output folder' : 'in the cache'} any more`;
  }
  const lines = differences.slice(0, MAX_CHANGES).map((difference) => {
    const where =
      difference.phase === phase && difference.stage === stage ? '' : `${difference.stage} ${difference.phase}: `;
    return wrap(`  ${oneLine(where + describeDifference(difference))}`, width, 4);
  });
  const more = differences.length - lines.length;
  const rest = more > 0 ? [`  and ${count(more)} more; --json lists them`] : [];
  return [head, `  since ${ago(compared.at)} changed:`, ...lines, ...rest].join('\n');
}

async function explain(context: Context): Promise<number> {
  const { args, options, services } = context;
  const pipeline = await services.createPipeline(await loadConfigFor(context), {});
  try {
    const found = await pipeline.explain(placeOf(args[1]));
    if (options.flag('json')) context.json(found);
    else context.print(found.map((one) => explanation(one, context)).join('\n'));
    return 0;
  } finally {
    await pipeline.close();
  }
}

function tell(context: Context, { removed, kept }: Collected): number {
  if (context.options.flag('json')) context.json({ removed, kept });
  else {
    const used = kept.some(({ inUse }) => inUse) ? '; a build at work keeps what it may need' : '';
    context.print(
      `removed ${count(removed.length)} (${bytes(sizeOf(removed))}), kept ${count(kept.length)} (${bytes(sizeOf(kept))})${used}`,
    );
  }
  return 0;
}

async function gc(context: Context): Promise<number> {
  const { options, services } = context;
  const limit = options.text('max-size');
  const config = await loadConfigFor(context, limit === undefined ? [] : [`cache.maxSize=${JSON.stringify(limit)}`]);
  return tell(context, await services.openCache(config).gc());
}

async function clear(context: Context): Promise<number> {
  return tell(context, await context.services.openCache(await loadConfigFor(context)).clear());
}

const WHAT: Readonly<Record<string, Command>> = { ls: list, explain, gc, clear };

/** `anneal cache ls | explain [stage/phase] | gc | clear` */
export const cache: Command = async (context) => {
  const [what = ''] = context.args;
  const run = Object.hasOwn(WHAT, what) ? WHAT[what] : undefined;
  if (run === undefined) {
    const names = Object.keys(WHAT);
    const near = suggest(what, names);
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    throw new AnnealError('ANNEAL_E_USAGE', `nothing called \`${what}\` can be done with the cache${hint}`, {
      fix: `use one of: ${names.join(', ')}`,
    });
  }
  return run(context);
};
