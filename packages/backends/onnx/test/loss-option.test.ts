import { type Backend, gradients, GraphBuilder, type Graph, tensor, type TensorData, type Value } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onnxBackend } from '../src/index.ts';

const [ROWS, WIDTH, LAYERS] = [256, 128, 6];

/** Layers of a product, SiLU and a normalisation, every weight trained. */
function step(): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const ones = g.constant(tensor('float32', [WIDTH], new Float32Array(WIDTH).fill(1)));
  let x = g.input('x', 'float32', [ROWS, WIDTH]);
  const weights: Value[] = [];
  for (let i = 0; i < LAYERS; i++) {
    const weight = g.input(`w${i}`, 'float32', [WIDTH, WIDTH]);
    weights.push(weight);
    x = ops.rmsNorm(ops.mul(ops.silu(ops.matmul(x, weight)), 2), ones);
  }
  const loss = ops.mean(ops.mul(x, x));
  const found = gradients(g, loss, weights);
  g.output('loss', loss);
  const grads = weights.map((weight) => found.get(weight) as Value);
  grads.forEach((grad, i) => g.output(`dw${i}`, grad));
  // As a step has it: without it the runtime would compute all gradients of weights last, and keep what they need.
  g.output(
    'norm',
    grads
      .toReversed()
      .map((grad) => ops.norm(grad))
      .reduce((a, b) => ops.add(a, b)),
  );
  return g.build();
}

describe('loss', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await onnxBackend({ threads: 2 });
  });
  afterAll(() => backend.close());

  it('changes no byte of a step, and what it has computed again is not kept', async () => {
    const graph = step();
    const random = seededRandom(5);
    const feeds = Object.fromEntries(
      [...graph.inputs].map(([name, { dims }]) => {
        const [rows, columns] = dims as [number, number];
        return [
          name,
          tensor(
            'float32',
            dims,
            Float32Array.from({ length: rows * columns }, () => random() - 0.5),
          ),
        ];
      }),
    );
    const run = async (loss: string | undefined): Promise<Record<string, TensorData>> => {
      const program = await backend.compile(graph, { purpose: 'training', loss });
      const result = await program.run(feeds);
      await program.dispose();
      return result;
    };
    expect(await run('loss')).toEqual(await run(undefined));
    const activations = (loss: string | undefined): number =>
      backend.planMemory?.([{ graph, purpose: 'training', loss }], {}).activations ?? Number.NaN;
    expect(activations('loss')).toBeLessThan(0.8 * activations(undefined));
  });
});
