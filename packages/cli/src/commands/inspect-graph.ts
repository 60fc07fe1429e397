import { resolve } from 'node:path';

import { AnnealError, isAnnealError } from '@anneal/core';
import { symbolsOf } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';

import { type Context, widthFor } from '../context.ts';
import { flopStats, type FlopStats, graphStats, type GraphStats } from '../graph-stats.ts';
import { bytes, count, short } from '../ui/numbers.ts';
import { columns, cutStart, oneLine } from '../ui/text.ts';

/** Sizes that symbols get when none is given. */
const BATCH = 1;
const LENGTH = 128;
const TOP = 10;

function usage(message: string, fix: string): AnnealError {
  return new AnnealError('ANNEAL_E_USAGE', message, { fix });
}

function positive(text: string | undefined, what: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw usage(
      `${what} must be a whole number of at least 1, received ${JSON.stringify(text)}`,
      'write a number such as 128',
    );
  }
  return value;
}

/** `batch=1` … as sizes of the symbols that the graph has. */
function dimsFor(symbols: ReadonlySet<string>, given: readonly string[]): Record<string, number> {
  const dims = Object.fromEntries([...symbols].map((name) => [name, /batch/i.test(name) ? BATCH : LENGTH]));
  for (const text of given) {
    const at = text.lastIndexOf('=');
    const name = text.slice(0, Math.max(0, at));
    if (!symbols.has(name)) {
      throw usage(
        `the graph has no symbolic dimension \`${name || text}\``,
        `use one of: ${[...symbols].join(', ') || 'none'}`,
      );
    }
    dims[name] = positive(text.slice(at + 1), `the dimension \`${name}\``);
  }
  return dims;
}

const port = ({ name, dtype, shape }: GraphStats['inputs'][number]): string[] => [
  oneLine(name),
  dtype,
  `[${shape.join(', ')}]`,
];

function statsText(stats: GraphStats, flops: FlopStats | string, top: number, { style, ...context }: Context): string {
  const width = widthFor({ style, ...context });
  const share = (part: number): string => `${((100 * part) / Math.max(1, stats.parameterBytes)).toFixed(1)} %`;
  const nameWidth = Math.max(20, width - 44);
  const work =
    typeof flops === 'string'
      ? `  not known: ${flops}`
      : [
          `  ${short(flops.flops)}FLOP with ${
            Object.entries(flops.dims)
              .map(([name, size]) => `${name} ${size}`)
              .join(', ') || 'fixed sizes'
          }`,
          ...(flops.notCounted.length > 0 ? [`  not counted: ${flops.notCounted.join(', ')}`] : []),
        ].join('\n');
  const gradient =
    stats.obstacles.length === 0
      ? `  ${style.green('✓')} differentiable`
      : columns(stats.obstacles.map(({ op, count: times, reason }) => [style.red('✗'), op, `${times}×`, reason]));
  const sections: [string, string][] = [
    ['Inputs', columns(stats.inputs.map(port))],
    ['Outputs', columns(stats.outputs.map(port))],
    [
      'Weights',
      [
        `  ${short(stats.parameters)} in ${count(stats.tensors.length)} tensors, ${bytes(stats.parameterBytes)}: ${Object.entries(
          stats.bytesByType,
        )
          .map(([dtype, size]) => `${dtype} ${share(size)}`)
          .join(', ')}`,
        columns(
          stats.tensors
            .slice(0, top)
            .map(({ name, dtype, shape, bytes: size }) => [
              cutStart(oneLine(name), nameWidth),
              dtype,
              `[${shape.join(', ')}]`,
              bytes(size),
              share(size),
            ]),
          { align: ['left', 'left', 'left', 'right', 'right'] },
        ),
      ].join('\n'),
    ],
    [
      `Operators (${count(stats.nodes)} nodes)`,
      columns(
        stats.ops.map(({ op, count: times }) => [op, count(times)]),
        { align: ['left', 'right'] },
      ),
    ],
    ['Work of one pass', work],
    ['Gradients', gradient],
  ];
  return sections.map(([title, body]) => `${style.bold(title)}\n${body}`).join('\n\n');
}

/** `anneal inspect graph <model.onnx>` */
export async function inspectGraph(context: Context, file: string | undefined): Promise<number> {
  const { io, options } = context;
  if (file === undefined) throw usage('`anneal inspect graph` needs a file', 'give the path of an .onnx file');
  const path = resolve(io.cwd, file);
  const top = options.text('top') === undefined ? TOP : positive(options.text('top'), '`--top`');
  const graph = await loadOnnx(path);
  const dims = dimsFor(symbolsOf(graph), options.texts('dim'));
  const stats = graphStats(graph);
  const flops = await loadOnnx(path, { dims }).then(
    (bound) => flopStats(bound, dims),
    (error: unknown) => {
      // The graph itself can be read; only these sizes do not fit it.
      if (!isAnnealError(error)) throw error;
      return error.message;
    },
  );
  if (options.flag('json')) context.json({ ...stats, tensors: stats.tensors.slice(0, top), work: flops });
  else context.print(statsText(stats, flops, top, context));
  return 0;
}
