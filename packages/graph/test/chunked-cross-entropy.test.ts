import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import { chunkedCrossEntropy, type ChunkedCrossEntropyOptions } from '../src/chunked-cross-entropy.ts';
import { GraphError } from '../src/error.ts';
import { interpret } from '../src/interpret/evaluate.ts';
import type { Value } from '../src/ir.ts';
import { tensor, type TensorData } from '../src/tensor.ts';

interface Problem {
  readonly hidden: TensorData;
  readonly weight: TensorData;
  readonly labels: TensorData;
  readonly weights: TensorData;
}

/** Reproducible numbers in [0, 1) (Marsaglia, 2003). */
function stream(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function problem(seed: number, [batch, sequence, features, classes]: readonly number[], spread: number): Problem {
  const next = stream(seed);
  const draw = (size: number, of: () => number): number[] => Array.from({ length: size }, of);
  const [tokens, normal] = [batch! * sequence!, (): number => (2 * next() - 1) * spread];
  const weights = draw(tokens, () => (next() < 0.3 ? 0 : next()));
  weights[0] = 1;
  return {
    hidden: tensor('float64', [batch!, sequence!, features!], draw(tokens * features!, normal)),
    weight: tensor('float64', [classes!, features!], draw(classes! * features!, normal)),
    labels: tensor(
      'int64',
      [batch!, sequence!],
      draw(tokens, () => Math.floor(next() * classes!)),
    ),
    weights: tensor('float64', [batch!, sequence!], weights),
  };
}

/** All logits at once. */
function whole(g: GraphBuilder, hidden: Value, weight: Value, labels: Value, weights: Value): Value {
  const { ops } = g;
  const logProbabilities = ops.logSoftmax(ops.matmul(hidden, weight, { transposeB: true }));
  const picked = ops.takeAlongAxis(logProbabilities, ops.expandDims(labels, [-1]), { axis: -1 });
  return ops.neg(ops.div(ops.sum(ops.mul(ops.squeeze(picked, [-1]), weights)), ops.sum(weights)));
}

async function run(
  { hidden, weight, labels, weights }: Problem,
  options: ChunkedCrossEntropyOptions | undefined,
): Promise<{ results: Record<string, TensorData>; largest: number }> {
  const g = new GraphBuilder();
  const [h, w] = [g.parameter('hidden', hidden), g.parameter('weight', weight)];
  const [ids, counts] = [g.constant(labels), g.constant(weights)];
  const loss = options ? chunkedCrossEntropy(g.ops, h, w, ids, counts, options) : whole(g, h, w, ids, counts);
  const wrt = { both: [h, w], hidden: [h], none: [] }[options?.gradients ?? 'both'];
  const scaled = g.ops.mul(loss, 3);
  g.output('loss', scaled);
  for (const [value, gradient] of gradients(g, scaled, wrt)) g.output(`d ${value.name}`, gradient);
  const graph = g.build();
  const classes = weight.shape[0]!;
  const sizes = graph.nodes
    .flatMap(({ outputs }) => outputs)
    .map((value) => (value?.dims.at(-1) === classes ? value.dims.reduce((a, b) => a * b, 1) / classes : 0));
  return { results: await interpret(graph, {}), largest: Math.max(0, ...sizes) };
}

const distance = (a: TensorData, b: TensorData): number =>
  Array.from(a.data, Number).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(b.data[i]))), 0);

describe('chunkedCrossEntropy', () => {
  const shapes = [
    [1, 1, 3, 2],
    [2, 7, 4, 11],
    [3, 5, 6, 29],
    [1, 16, 2, 5],
  ];
  const cases = shapes.flatMap((shape, i) =>
    [1, 3, 8, 64].flatMap((chunk) =>
      (['both', 'hidden', 'none'] as const).map((of) => ({ shape, chunk, of, seed: i + 1 })),
    ),
  );
  it.each(cases)('is what all logits at once give: $shape, chunk $chunk, gradients of $of', async (given) => {
    const data = problem(given.seed, given.shape, 2);
    const { results: wanted } = await run(data, undefined);
    const { results } = await run(data, { chunk: given.chunk, gradients: given.of });
    const names = { both: ['d hidden', 'd weight'], hidden: ['d hidden'], none: [] }[given.of];
    expect(Object.keys(results).toSorted()).toEqual([...names, 'loss']);
    for (const [name, value] of Object.entries(results))
      expect(distance(value, wanted[name]!), name).toBeLessThan(1e-12);
  });

  it('never has the logits of more tokens than a chunk', async () => {
    const data = problem(7, [2, 9, 3, 31], 1);
    expect((await run(data, undefined)).largest).toBe(18);
    expect((await run(data, { chunk: 4 })).largest).toBe(4);
  });

  it('stays finite where the probability of a label underflows', async () => {
    const data = problem(9, [1, 6, 3, 5], 400);
    const { results: wanted } = await run(data, undefined);
    const { results } = await run(data, { chunk: 4 });
    expect(Number(wanted['loss']!.data[0])).toBeGreaterThan(1000);
    for (const [name, value] of Object.entries(results))
      expect(distance(value, wanted[name]!), name).toBeLessThan(1e-8);
  });

  it.each([
    ['chunk', { chunk: 0 }, /`chunk` must be an integer of at least 1, received 0/],
    ['weight', { weight: [5, 4] }, /hidden \[2, 3, 6\] does not fit the weight \[5, 4\]/],
    ['labels', { labels: [2, 4] }, /needs labels of \[2,3\], received \[2, 4\]/],
    ['weights', { weights: [3, 2] }, /needs weights of \[2,3\], received \[3, 2\]/],
  ] as [string, { chunk?: number; weight?: number[]; labels?: number[]; weights?: number[] }, RegExp][])(
    'refuses %s that does not fit',
    (_, { chunk = 8, weight = [5, 6], labels = [2, 3], weights = [2, 3] }, message) => {
      const g = new GraphBuilder();
      const [h, w] = [g.input('h', 'float32', [2, 3, 6]), g.input('w', 'float32', weight)];
      const [ids, counts] = [g.input('ids', 'int64', labels), g.input('counts', 'float32', weights)];
      const trace = (): unknown => chunkedCrossEntropy(g.ops, h, w, ids, counts, { chunk });
      expect(trace).toThrow(GraphError);
      expect(trace).toThrow(message);
    },
  );
});
