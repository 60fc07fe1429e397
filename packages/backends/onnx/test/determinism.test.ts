import { expect, it } from 'vitest';
import { bytesOf, type Graph, GraphBuilder, gradients, type TensorData, tensor, type Value } from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';

const ROWS = 64;
const [IN, HIDDEN, CLASSES] = [48, 256, 5];

/** A perceptron with an embedding, its gradients and Adam: products, reductions, scatter and elementwise updates. */
function trainingStep(): { graph: Graph; state: Record<string, TensorData>; updates: Record<string, string> } {
  const g = new GraphBuilder();
  const { ops } = g;
  const shapes = { table: [97, IN], w1: [IN, HIDDEN], b1: [HIDDEN], w2: [HIDDEN, CLASSES] } as const;
  const state: Record<string, TensorData> = {};
  const updates: Record<string, string> = {};
  const weights = new Map<string, Value>();
  for (const [name, shape] of Object.entries(shapes)) {
    state[name] = random(shape, name.length + shape.length);
    for (const moment of ['m', 'v'])
      state[`${moment}.${name}`] = { ...state[name], data: new Float32Array(state[name].data.length) };
    weights.set(name, g.input(name, 'float32', shape));
  }
  const w = (name: keyof typeof shapes): Value => weights.get(name) as Value;
  const x = ops.take(w('table'), g.input('ids', 'int64', [ROWS]));
  const hidden = ops.gelu(ops.add(ops.matmul(x, w('w1')), w('b1')));
  const logProbabilities = ops.logSoftmax(ops.matmul(hidden, w('w2')));
  const picked = ops.sum(ops.mul(logProbabilities, ops.oneHot(g.input('labels', 'int64', [ROWS]), CLASSES)));
  const loss = ops.div(ops.neg(picked), ROWS);
  g.output('loss', loss);
  for (const [value, gradient] of gradients(g, loss, [...weights.values()])) {
    const { name, dims } = value;
    const [m, v] = [g.input(`m.${name}`, 'float32', dims), g.input(`v.${name}`, 'float32', dims)];
    const nextM = ops.add(ops.mul(m, 0.9), ops.mul(gradient, 0.1));
    const nextV = ops.add(ops.mul(v, 0.99), ops.mul(ops.mul(gradient, gradient), 0.01));
    const next = ops.sub(value, ops.mul(ops.div(nextM, ops.add(ops.sqrt(nextV), 1e-8)), 0.01));
    const results = { [name]: next, [`m.${name}`]: nextM, [`v.${name}`]: nextV };
    for (const [entry, result] of Object.entries(results)) {
      g.output(`next.${entry}`, result);
      updates[`next.${entry}`] = entry;
    }
  }
  return { graph: g.build({ name: 'step' }), state, updates };
}

function random(shape: readonly number[], seed: number): TensorData {
  let x = seed;
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x / 2 ** 32 - 0.5) * 0.4;
  });
  return tensor('float32', shape, data);
}

async function train(steps: number): Promise<{ losses: number[]; bytes: Record<string, string> }> {
  const backend = await onnxBackend({ threads: 2 });
  const { graph, state: initial, updates } = trainingStep();
  const state = await backend.createState(initial);
  const program = await backend.compile(graph, { state, updates, purpose: 'training', guard: 'loss' });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const ids = BigInt64Array.from({ length: ROWS }, (_, i) => BigInt((i * 7 + step * 13) % 97));
    const labels = BigInt64Array.from(ids, (id) => id % BigInt(CLASSES));
    const { loss } = await program.run({ ids: tensor('int64', [ROWS], ids), labels: tensor('int64', [ROWS], labels) });
    losses.push(Number(loss?.data[0]));
  }
  const bytes = Object.entries(await state.read()).map(([name, value]) => [
    name,
    Buffer.from(bytesOf(value)).toString('base64'),
  ]);
  await backend.close();
  return { losses, bytes: Object.fromEntries(bytes) };
}

it('fifty steps of training on two threads give the same bytes twice', async () => {
  const first = await train(50);
  expect(first.losses.at(-1)).toBeLessThan(0.2 * (first.losses[0] as number));
  expect(await train(50)).toEqual(first);
});
