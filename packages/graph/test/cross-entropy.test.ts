import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import { GraphError } from '../src/error.ts';
import { interpret } from '../src/interpret/evaluate.ts';
import type { Graph, Value } from '../src/ir.ts';
import { crossEntropy, type CrossEntropyOptions, labelScores } from '../src/loss/cross-entropy.ts';
import { int8Layers, int8Linears } from '../src/rewrites/int8-linears.ts';
import { tensor, type TensorData } from '../src/tensor.ts';
import { inline } from '../src/transform.ts';

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

function normal(seed: number, shape: readonly number[], dtype: 'float32' | 'float64' = 'float64'): TensorData {
  const next = stream(seed);
  return tensor(
    dtype,
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 3 * next() - 1.5),
  );
}

const [BATCH, SEQUENCE, FEATURES, CLASSES] = [2, 7, 4, 11];
const TOKENS = BATCH * SEQUENCE;

/** Two of the labels do not count, each in its own way. */
function targets(): { labels: TensorData; weights: TensorData } {
  const next = stream(5);
  const labels = Array.from({ length: TOKENS }, () => Math.floor(next() * CLASSES));
  const weights = Array.from({ length: TOKENS }, () => 0.1 + next());
  labels[3] = -100;
  weights[6] = 0;
  return {
    labels: tensor('int64', [BATCH, SEQUENCE], labels),
    weights: tensor('float64', [BATCH, SEQUENCE], weights),
  };
}

interface Head {
  readonly logits: Value;
  /** What belongs to the output layer and is trained. */
  readonly trained: readonly Value[];
}

/** How exporters write an output layer, over hidden states `[batch, sequence, features]`. */
const FORMS: Readonly<Record<string, (g: GraphBuilder, h: Value, trainable: boolean) => Head>> = {
  MatMul: (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [FEATURES, CLASSES]), { trainable });
    return { logits: g.ops.matmul(h, w), trained: [w] };
  },
  'a tied table': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [CLASSES, FEATURES]), { trainable });
    return { logits: g.ops.matmul(h, w, { transposeB: true }), trained: [w] };
  },
  'a transposed table': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [CLASSES, FEATURES]), { trainable });
    return { logits: g.ops.identity(g.ops.matmul(h, g.ops.transpose(w))), trained: [w] };
  },
  'MatMul and Add': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [FEATURES, CLASSES]), { trainable });
    const b = g.parameter('b', normal(3, [CLASSES]), { trainable });
    return { logits: g.ops.add(b, g.ops.matmul(h, w)), trained: [w, b] };
  },
  Gemm: (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [CLASSES, FEATURES]), { trainable });
    const b = g.parameter('b', normal(3, [CLASSES]), { trainable });
    const flat = g.one('Gemm', [g.ops.reshape(h, [TOKENS, FEATURES]), w, b], { attributes: { transB: { int: 1 } } });
    return { logits: g.ops.reshape(flat, [BATCH, SEQUENCE, CLASSES]), trained: [w, b] };
  },
  'a weight that is computed': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [FEATURES, CLASSES]), { trainable });
    return { logits: g.ops.matmul(h, g.ops.tanh(w)), trained: [w] };
  },
};
/** Logits that are more than a product: all of them are needed. */
const OTHER: typeof FORMS = {
  'a scaled product': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [CLASSES, FEATURES]), { trainable });
    return { logits: g.ops.matmul(h, w, { transposeB: true, alpha: 0.5 }), trained: [w] };
  },
  'a product of two activations': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [BATCH, FEATURES, CLASSES]), { trainable });
    return { logits: g.ops.matmul(h, w), trained: [w] };
  },
  'a Gemm with half a bias': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [FEATURES, CLASSES]), { trainable });
    const b = g.parameter('b', normal(3, [CLASSES]), { trainable });
    const flat = g.one('Gemm', [g.ops.reshape(h, [TOKENS, FEATURES]), w, b], { attributes: { beta: { float: 0.5 } } });
    return { logits: g.ops.reshape(flat, [BATCH, SEQUENCE, CLASSES]), trained: [w, b] };
  },
  'logits of something else': (g, h, trainable) => {
    const w = g.parameter('w', normal(2, [FEATURES, CLASSES]), { trainable });
    return { logits: g.ops.tanh(g.ops.matmul(h, w)), trained: [w] };
  },
};
const ALL = { ...FORMS, ...OTHER };

interface Traced {
  readonly graph: Graph;
  readonly hidden: TensorData;
}

/** The loss and its gradients; without `options`, from logits that are taken for granted. */
function trace(form: string, options: CrossEntropyOptions | undefined, trainable: boolean = true): Traced {
  const g = new GraphBuilder();
  const hidden = normal(1, [BATCH, SEQUENCE, FEATURES]);
  const h = g.parameter('hidden', hidden, { trainable: true });
  const { logits, trained } = ALL[form]!(g, h, trainable);
  const { labels, weights } = targets();
  const [ids, counts] = [g.constant(labels), g.constant(weights)];
  const loss = options ? crossEntropy(g.ops, logits, ids, { weights: counts, ...options }) : whole(g, logits);
  const scaled = g.ops.mul(loss, 3);
  g.output('loss', loss);
  const found = gradients(g, scaled, trainable ? [h, ...trained] : [h]);
  for (const [value, gradient] of found) g.output(`d ${value.name}`, gradient);
  return { graph: g.build(), hidden };
}

function whole(g: GraphBuilder, logits: Value): Value {
  const { ops } = g;
  const { labels, weights } = targets();
  const ids = g.constant(
    tensor(
      'int64',
      labels.shape,
      Array.from(labels.data, Number).map((id) => Math.max(0, id)),
    ),
  );
  const kept = Array.from(weights.data, Number).map((weight, i) => (Number(labels.data[i]) < 0 ? 0 : weight));
  const counts = g.constant(tensor('float64', weights.shape, kept));
  const picked = ops.takeAlongAxis(ops.logSoftmax(logits), ops.expandDims(ids, [-1]), { axis: -1 });
  return ops.neg(ops.div(ops.sum(ops.mul(ops.squeeze(picked, [-1]), counts)), ops.sum(counts)));
}

/** The most tokens whose logits are in the graph at a time. */
function most(graph: Graph): number {
  const sizes = graph.nodes
    .flatMap(({ outputs }) => outputs)
    .map((value) => (value?.dims.at(-1) === CLASSES ? value.dims.reduce((a, b) => a * b, 1) / CLASSES : 0));
  return Math.max(0, ...sizes.filter((size) => size !== FEATURES));
}

const distance = (a: TensorData, b: TensorData): number =>
  Array.from(a.data, Number).reduce((far, value, i) => Math.max(far, Math.abs(value - Number(b.data[i]))), 0);

describe('crossEntropy', () => {
  it.each(Object.keys(ALL).flatMap((form) => [1, 5, 64].map((chunk) => [form, chunk] as const)))(
    'is what logits themselves give: %s, chunks of %i',
    async (form, chunk) => {
      const [wanted, actual] = await Promise.all(
        [undefined, { chunk }].map((options) => interpret(trace(form, options).graph, {})),
      );
      expect(Object.keys(actual!)).toEqual(Object.keys(wanted!));
      for (const [name, value] of Object.entries(actual!))
        expect(distance(value, wanted![name]!), name).toBeLessThan(1e-12);
    },
  );

  it.each(Object.keys(FORMS))('does without logits: %s', (form) => {
    expect(most(trace(form, undefined).graph)).toBe(TOKENS);
    expect(most(trace(form, { chunk: 5 }).graph)).toBe(5);
  });

  it.each(Object.keys(FORMS))('has no gradient of a frozen layer: %s', async (form) => {
    const { graph } = trace(form, { chunk: 5 }, false);
    expect(graph.nodes.filter(({ op }) => op === 'ScatterElements')).toEqual([]);
    const [wanted, actual] = [await interpret(trace(form, undefined, false).graph, {}), await interpret(graph, {})];
    for (const name of ['loss', 'd hidden']) expect(distance(actual[name]!, wanted[name]!)).toBeLessThan(1e-12);
  });

  it('agrees with finite differences', async () => {
    const { graph, hidden } = trace('MatMul and Add', { chunk: 5 });
    const analytic = (await interpret(graph, {}))['d hidden']!;
    const lossAt = async (at: number, step: number): Promise<number> => {
      const data = Array.from(hidden.data, Number);
      data[at] = data[at]! + step;
      const parameters = new Map(graph.parameters);
      parameters.set('hidden', { ...parameters.get('hidden')!, data: tensor('float64', hidden.shape, data) });
      return Number((await interpret({ ...graph, parameters }, {}))['loss']!.data[0]);
    };
    for (let at = 0; at < hidden.data.length; at += 3) {
      const numeric = (3 * ((await lossAt(at, 1e-5)) - (await lossAt(at, -1e-5)))) / 2e-5;
      expect(Number(analytic.data[at])).toBeCloseTo(numeric, 7);
    }
  });

  it('is 0, and has gradients of 0, when no label counts', async () => {
    for (const form of ['MatMul', 'logits of something else']) {
      const g = new GraphBuilder();
      const h = g.parameter('hidden', normal(1, [BATCH, SEQUENCE, FEATURES]), { trainable: true });
      const labels = g.constant(
        tensor(
          'int64',
          [BATCH, SEQUENCE],
          Array.from({ length: TOKENS }, () => 7),
        ),
      );
      const loss = crossEntropy(g.ops, ALL[form]!(g, h, true).logits, labels, { ignoreIndex: 7 });
      g.output('loss', loss);
      g.output('d hidden', gradients(g, loss, [h]).get(h)!);
      for (const { data } of Object.values(await interpret(g.build(), {})))
        expect(Array.from(data, Number).every((value) => value === 0)).toBe(true);
    }
  });

  it('keeps symbolic dimensions, and then all logits', async () => {
    const g = new GraphBuilder();
    const h = g.input('h', 'float64', ['batch', 'sequence', FEATURES]);
    const { logits } = FORMS['MatMul']!(g, h, false);
    g.output('loss', crossEntropy(g.ops, logits, g.input('labels', 'int64', ['batch', 'sequence'])));
    const { labels } = targets();
    const { loss } = await interpret(g.build(), { h: normal(1, [BATCH, SEQUENCE, FEATURES]), labels });
    const one = tensor(
      'float64',
      [BATCH, SEQUENCE],
      Array.from({ length: TOKENS }, () => 1),
    );
    const fixed = new GraphBuilder();
    const hidden = fixed.constant(normal(1, [BATCH, SEQUENCE, FEATURES]));
    const again = crossEntropy(fixed.ops, FORMS['MatMul']!(fixed, hidden, false).logits, fixed.constant(labels), {
      weights: fixed.constant(one),
      chunk: 3,
    });
    fixed.output('loss', again);
    expect(distance(loss!, (await interpret(fixed.build(), {}))['loss']!)).toBeLessThan(1e-12);
  });

  it('casts what a layer of another type gives', async () => {
    const losses = [3, undefined].map(async (chunk) => {
      const g = new GraphBuilder();
      const h = g.parameter('h', normal(1, [BATCH, SEQUENCE, FEATURES], 'float32'), { trainable: true });
      const w = g.parameter('w', normal(2, [FEATURES, CLASSES], 'float32'), { trainable: true });
      const logits = g.ops.cast(g.ops.matmul(h, w), 'float64');
      const { labels, weights } = targets();
      const loss =
        chunk === undefined
          ? whole(g, logits)
          : crossEntropy(g.ops, logits, g.constant(labels), { weights: g.constant(weights), chunk });
      g.output('loss', loss);
      for (const [value, gradient] of gradients(g, loss, [h, w])) g.output(`d ${value.name}`, gradient);
      const graph = g.build();
      if (chunk !== undefined) expect(most(graph)).toBe(chunk);
      return interpret(graph, {});
    });
    const [actual, wanted] = await Promise.all(losses);
    for (const name of ['loss', 'd h', 'd w']) {
      expect(actual![name]!.dtype).toBe(wanted![name]!.dtype);
      expect(distance(actual![name]!, wanted![name]!)).toBeLessThan(1e-6);
    }
  });

  it('multiplies in int8 where the output layer does', async () => {
    const g = new GraphBuilder();
    const h = g.input('h', 'float32', ['batch', 'sequence', 32]);
    g.output('logits', g.ops.matmul(h, g.parameter('head.weight', normal(2, [32, CLASSES], 'float32'))));
    const float = g.build();
    const run = async (model: Graph): Promise<{ graph: Graph; results: Record<string, TensorData> }> => {
      const step = new GraphBuilder();
      const hidden = step.parameter('hidden', normal(1, [BATCH, SEQUENCE, 32], 'float32'), { trainable: true });
      const dims = { batch: BATCH, sequence: SEQUENCE };
      const { logits } = inline(step, model, { inputs: { h: hidden }, dims });
      const loss = crossEntropy(step.ops, logits!, step.constant(targets().labels), { chunk: 5 });
      step.output('loss', loss);
      step.output('d hidden', gradients(step, loss, [hidden]).get(hidden)!);
      const graph = step.build();
      return { graph, results: await interpret(graph, {}) };
    };
    const [exact, rounded] = [await run(float), await run(int8Linears(float, await int8Layers(float)))];
    expect(most(rounded.graph)).toBe(5);
    // Three chunks, forward and back.
    expect(rounded.graph.nodes.filter(({ op }) => op === 'Int8Linear')).toHaveLength(3);
    expect(rounded.graph.nodes.filter(({ op }) => op === 'DynamicQuantizeMatMul')).toHaveLength(3);
    expect(rounded.graph.nodes.map(({ op }) => op)).not.toContain('MatMul');
    const norm = (of: (i: number) => number): number =>
      Math.hypot(...Array.from({ length: TOKENS * 32 }, (_, i) => of(i)));
    const at = ({ results }: typeof exact, i: number): number => Number(results['d hidden']!.data[i]);
    const error = norm((i) => at(rounded, i) - at(exact, i)) / norm((i) => at(exact, i));
    expect(error).toBeGreaterThan(1e-5);
    expect(error).toBeLessThan(0.03);
    expect(distance(rounded.results['loss']!, exact.results['loss']!)).toBeLessThan(0.02);
  });

  it.each([
    ['chunk', { chunk: 0 }, /`chunk` must be an integer of at least 1, received 0/],
    ['labels', { labels: [2, 4] }, /logits \[2, 3, 6\] need labels of \[2, 3\], received \[2, 4\]/],
    ['weights', { weights: [6] }, /logits \[2, 3, 6\] need weights of \[2, 3\], received \[6\]/],
    ['logits', { logits: [] }, /logits need an axis of classes, received a scalar/],
  ] as [string, { chunk?: number; logits?: number[]; labels?: number[]; weights?: number[] }, RegExp][])(
    'refuses %s that do not fit',
    (_, { chunk, logits = [2, 3, 6], labels = [2, 3], weights = [2, 3] }, message) => {
      const g = new GraphBuilder();
      const [x, ids] = [g.input('x', 'float32', logits), g.input('ids', 'int64', labels)];
      const counts = g.input('counts', 'float32', weights);
      const call = (): unknown => crossEntropy(g.ops, x, ids, { weights: counts, chunk });
      expect(call).toThrow(GraphError);
      expect(call).toThrow(message);
    },
  );
});

describe('labelScores', () => {
  it.each(Object.keys(ALL))('are the losses and the hits of each label: %s', async (form) => {
    const g = new GraphBuilder();
    const h = g.constant(normal(1, [BATCH, SEQUENCE, FEATURES]));
    const { logits } = ALL[form]!(g, h, true);
    const { labels } = targets();
    const { losses, hits } = labelScores(g.ops, logits, g.constant(labels), { chunk: 5 });
    g.output('losses', losses);
    g.output('hits', hits);
    const chunked = g.build();
    if (form in FORMS) expect(most(chunked)).toBe(5);
    g.output('logits', logits);
    const results = await interpret(g.build(), {});
    const all = Array.from(results['logits']!.data, Number);
    for (let token = 0; token < TOKENS; token++) {
      const row = all.slice(token * CLASSES, (token + 1) * CLASSES);
      const label = Number(labels.data[token]);
      const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      const counts = label >= 0;
      expect(Number(results['losses']!.data[token])).toBeCloseTo(counts ? logSum - row[label]! : 0, 10);
      expect(Number(results['hits']!.data[token])).toBe(Number(counts && Math.max(...row) === row[label]));
    }
    expect(results['losses']!.shape).toEqual([BATCH, SEQUENCE]);
  });
});
