import { resolve } from 'node:path';

import { AnnealError, isAnnealError } from '@anneal/core';
import { describeGraph, type GraphDescription, type Obstacle, type Port, symbolsOf } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';

import { type Context, widthFor } from '../context.ts';
import { bytes, count, flops, short } from '../ui/numbers.ts';
import { columns, cutStart, oneLine, wrap } from '../ui/text.ts';

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

/** A size that the file does not name, but that follows from several others, says nothing to a reader. */
const size = (dim: number | string): string => (typeof dim === 'string' && dim.includes('|') ? '?' : String(dim));
const port = ({ name, dtype, shape }: Port): string[] => [oneLine(name), dtype, `[${shape.map(size).join(', ')}]`];

/** How many nodes of an obstacle are named. */
const NAMED = 5;

/** What gradients cannot pass: operator, reason, where, and what to do. */
function obstacleText({ op, count: times, reason, fix, modules, results }: Obstacle, width: number): string {
  const list = (names: readonly string[]): string =>
    names.slice(0, NAMED).map(oneLine).join(', ') + (names.length > NAMED ? ` and ${names.length - NAMED} more` : '');
  const details: [label: string, text: string | undefined][] = [
    ['in', modules.length > 0 ? list(modules) : undefined],
    ['makes', list(results)],
    ['fix', fix],
  ];
  const lines = details.flatMap(([label, text]) =>
    text === undefined ? [] : [wrap(`      ${label.padEnd(6)} ${text}`, width, 13)],
  );
  return [`${op}  ${times}×  ${reason}`, ...lines].join('\n');
}

function gradientText({ obstacles, bytesByType }: GraphDescription, width: number, style: Context['style']): string {
  if (obstacles.length > 0) {
    return obstacles.map((obstacle) => `  ${style.red('✗')} ${obstacleText(obstacle, width)}`).join('\n');
  }
  const learns = Object.keys(bytesByType).some((dtype) => /^b?float(16|32|64)$/.test(dtype));
  return learns ? `  ${style.green('✓')} differentiable` : '  no weights of a floating-point type: nothing to train';
}

/** What depends on sizes. */
interface Sized extends Pick<GraphDescription, 'work' | 'memory'> {
  readonly dims: Readonly<Record<string, number>>;
}

function statsText(
  stats: GraphDescription,
  sized: Sized | string,
  top: number,
  { style, ...context }: Context,
): string {
  const width = widthFor({ style, ...context });
  const share = (part: number): string => `${((100 * part) / Math.max(1, stats.parameterBytes)).toFixed(1)} %`;
  const nameWidth = Math.max(20, width - 44);
  const work = typeof sized === 'string' ? `  not known: ${sized}` : workText(sized);
  const sections: [string, string][] = [
    ['Inputs', columns(stats.inputs.map(port))],
    ['Outputs', columns(stats.outputs.map(port))],
    [
      'Weights',
      [
        `  ${short(stats.parameters)} in ${count(stats.tensors.length)} ${stats.tensors.length === 1 ? 'tensor' : 'tensors'}, ${bytes(stats.parameterBytes)}: ${Object.entries(
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
    ['One pass', work],
    ['Gradients', gradientText(stats, width, style)],
  ];
  return sections.map(([title, body]) => `${style.bold(title)}\n${body}`).join('\n\n');
}

function workText({ work, memory, dims }: Sized): string {
  const sizes = Object.entries(dims).map(([name, size]) => `${name} ${size}`);
  const { peakAt } = memory;
  const place = peakAt
    ? `, most at ${oneLine(peakAt.op)}${peakAt.scope === '' ? '' : ` in ${oneLine(peakAt.scope)}`}`
    : '';
  return [
    `  ${flops(work.flops)} with ${sizes.join(', ') || 'fixed sizes'}`,
    ...(work.notCounted.length > 0 ? [`  not counted: ${work.notCounted.join(', ')}`] : []),
    `  ${bytes(memory.peakBytes)} of results at once${place}; ${bytes(memory.totalBytes)} in all`,
    ...(memory.unknown > 0 ? [`  sizes of ${count(memory.unknown)} results are not known`] : []),
  ].join('\n');
}

/** `anneal inspect graph <model.onnx>` */
export async function inspectGraph(context: Context, file: string | undefined): Promise<number> {
  const { io, options } = context;
  if (file === undefined) throw usage('`anneal inspect graph` needs a file', 'give the path of an .onnx file');
  const path = resolve(io.cwd, file);
  const top = options.text('top') === undefined ? TOP : positive(options.text('top'), '`--top`');
  const graph = await loadOnnx(path);
  const dims = dimsFor(symbolsOf(graph), options.texts('dim'));
  const stats = describeGraph(graph);
  const sized = await loadOnnx(path, { dims }).then(
    (bound): Sized => ({ ...describeGraph(bound), dims }),
    (error: unknown) => {
      // The graph itself can be read; only these sizes do not fit it.
      if (!isAnnealError(error)) throw error;
      return error.message;
    },
  );
  if (options.flag('json')) context.json(jsonOf(stats, sized, top));
  else context.print(statsText(stats, sized, top, context));
  return 0;
}

function jsonOf(stats: GraphDescription, sized: Sized | string, top: number): object {
  const tensors = stats.tensors.slice(0, top);
  // Without sizes, neither is known.
  if (typeof sized === 'string') return { ...stats, tensors, memory: sized, work: sized };
  const memory = { ...sized.memory, tensors: sized.memory.tensors.slice(0, top) };
  return { ...stats, tensors, memory, work: { ...sized.work, dims: sized.dims } };
}
