import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Backend,
  evaluate,
  type Graph,
  GraphBuilder,
  gradients,
  tensor,
  type TensorData,
  type Value,
} from '@anneal/graph';
import { assertClose, seededRandom } from '@anneal/testkit';
import { onnxBackend } from '@anneal/backend-onnx';
import { SKIPPED } from './skip.ts';

const random = seededRandom(7);
const noise = (shape: readonly number[], scale: number): TensorData =>
  tensor(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * (random() - 0.5)),
  );

const [BATCH, LENGTH, WIDTH, HEADS, RANK, WORDS] = [2, 5, 16, 2, 2, 11];
const FROZEN = { embedding: [WORDS, WIDTH], scale: [WIDTH], q: [WIDTH, WIDTH], k: [WIDTH, WIDTH], v: [WIDTH, WIDTH] };
const TRAINED = { a: [WIDTH, RANK], b: [RANK, WIDTH], norm: [WIDTH] };
const weights = Object.fromEntries(Object.entries(FROZEN).map(([name, shape]) => [name, noise(shape, 1)]));
const start = Object.fromEntries(Object.entries(TRAINED).map(([name, shape]) => [name, noise(shape, 1)]));

/** A block of a decoder with an adapter on the queries, its gradients and a step of AdamW without decay. */
function step(): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const frozen = Object.fromEntries(Object.entries(weights).map(([name, data]) => [name, g.parameter(name, data)]));
  const { embedding, scale, q, k, v } = frozen as Record<keyof typeof FROZEN, Value>;
  const trained = Object.entries(start).map(([name, { shape }]): [string, Value] => [
    name,
    g.input(name, 'float32', shape),
  ]);
  const { a, b, norm } = Object.fromEntries(trained) as Record<keyof typeof TRAINED, Value>;
  const ids = g.input('ids', 'int64', [BATCH, LENGTH]);
  const embedded = ops.take(embedding, ids);
  const x = ops.rmsNorm(embedded, scale);
  const split = (value: Value): Value =>
    ops.transpose(ops.reshape(value, [BATCH, LENGTH, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const queries = ops.add(ops.matmul(x, q), ops.mul(ops.matmul(ops.matmul(x, a), b), 2));
  const scores = ops.matmul(split(queries), split(ops.matmul(x, k)), {
    transposeB: true,
    alpha: (WIDTH / HEADS) ** -0.5,
  });
  const mixed = ops.matmul(ops.softmax(scores), split(ops.matmul(x, v)));
  const merged = ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), [BATCH, LENGTH, WIDTH]);
  const hidden = ops.layerNorm(ops.add(ops.rmsNorm(ops.add(embedded, ops.silu(merged)), norm), merged), scale, norm);
  const logits = ops.matmul(hidden, embedding, { transposeB: true });
  const targets = ops.oneHot(ids, WORDS);
  const loss = ops.neg(ops.mean(ops.sum(ops.mul(targets, ops.logSoftmax(logits)), { axes: [-1] })));
  g.output('loss', loss);
  const found = gradients(g, loss, [a, b, norm]);
  for (const [name, value] of trained) {
    const gradient = found.get(value) as Value;
    const [m, s] = ['m', 's'].map((key) => g.input(`${key}.${name}`, 'float32', value.shape)) as [Value, Value];
    const [nextM, nextS] = [
      ops.add(ops.mul(m, 0.9), ops.mul(gradient, 0.1)),
      ops.add(ops.mul(s, 0.99), ops.mul(ops.mul(gradient, gradient), 0.01)),
    ];
    g.output(`gradient.${name}`, gradient);
    g.output(`m.${name}.next`, nextM);
    g.output(`s.${name}.next`, nextS);
    g.output(`${name}.next`, ops.sub(value, ops.mul(ops.div(nextM, ops.add(ops.sqrt(nextS), 1e-3)), 0.05)));
  }
  return g.build({ name: 'step' });
}

const ids = tensor(
  'int64',
  [BATCH, LENGTH],
  Array.from({ length: BATCH * LENGTH }, (_, i) => BigInt((i * 7) % WORDS)),
);
const moments = Object.fromEntries(
  Object.entries(start).flatMap(([name, { shape }]) =>
    ['m', 's'].map((key) => [`${key}.${name}`, { dtype: 'float32' as const, shape }]),
  ),
);
const updates = Object.fromEntries(
  [...Object.keys(start), ...Object.keys(moments)].map((name) => [`${name}.next`, name]),
);

describe.skipIf(SKIPPED !== undefined)(`state on WebGPU${SKIPPED === undefined ? '' : `: ${SKIPPED}`}`, () => {
  let webgpu: Backend;
  beforeAll(async () => {
    webgpu = await onnxBackend({ device: 'webgpu' });
  });
  afterAll(() => webgpu.close());

  it('trains as the reference interpreter: losses, gradients and state of five steps', async () => {
    const graph = step();
    const state = await webgpu.createState(start, moments);
    const program = await webgpu.compile(graph, { state, updates, purpose: 'training', loss: 'loss', guard: 'loss' });
    let expected: Record<string, TensorData> = { ...start };
    for (const [name, { shape }] of Object.entries(moments))
      expected[name] = tensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
    let first = 0;
    for (let i = 0; i < 5; i++) {
      const results = evaluate(graph, { ...expected, ids });
      const received = await program.run({ ids });
      for (const [name, value] of Object.entries(received)) {
        assertClose(value, results[name] as TensorData, { absolute: 1e-4, relative: 1e-3 }, `${name} of step ${i}`);
      }
      if (i === 0) first = Number(received['loss']?.data[0]);
      else if (i === 4) expect(Number(received['loss']?.data[0])).toBeLessThan(first);
      expected = Object.fromEntries(
        Object.entries(updates).map(([output, name]) => [name, results[output] as TensorData]),
      );
    }
    const found = await state.read();
    for (const [name, value] of Object.entries(expected)) {
      assertClose(found[name] as TensorData, value, { absolute: 2e-3, relative: 1e-2 }, name);
    }
  });

  it('is read, written, cleared and shared like any other', async () => {
    const two = (x: number, y: number): TensorData => tensor('float32', [2], [x, y]);
    const state = await webgpu.createState({ a: two(1, 2), b: two(3, 4), ids: tensor('int64', [2], [5n, 6n]) });
    const g = new GraphBuilder();
    const [a, b] = [g.input('a', 'float32', [2]), g.input('b', 'float32', [2])];
    g.output('to b', a);
    g.output('to a', g.ops.mul(b, 2));
    g.output('more ids', g.ops.add(g.input('ids', 'int64', [2]), 1));
    const swap = await webgpu.compile(g.build(), { state, updates: { 'to b': 'b', 'to a': 'a', 'more ids': 'ids' } });
    await swap.run({});
    await swap.run({});
    expect(await state.read()).toEqual({ a: two(2, 4), b: two(6, 8), ids: tensor('int64', [2], [7n, 8n]) });
    await state.clear(['b']);
    await state.write({ a: two(-1, 1) });
    await swap.run({});
    expect(await state.read(['b', 'a'])).toEqual({ b: two(-1, 1), a: two(0, 0) });
    await state.dispose();
    await expect(state.read()).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
  });

  it('names the nodes that run on the CPU', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3]);
    const found = g.scope('head', () => g.one('NonZero', [x]));
    g.output('y', g.ops.mul(g.ops.add(x, 1), 2));
    g.output('found', found);
    const program = await webgpu.compile(g.build());
    expect(program.hostNodes).toEqual([{ op: 'NonZero', count: 1, modules: ['head'] }]);
    const { y } = await program.run({ x: tensor('float32', [3], [0, 1, 2]) });
    expect(y).toEqual(tensor('float32', [3], [2, 4, 6]));

    const all = new GraphBuilder();
    all.output('y', all.ops.exp(all.input('x', 'float32', [3])));
    expect((await webgpu.compile(all.build())).hostNodes).toEqual([]);
  });
});
