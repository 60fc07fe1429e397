import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Backend,
  type Graph,
  GraphBuilder,
  interpret,
  type Rewrite,
  tensor,
  type TensorData,
  type Value,
} from '@anneal/graph';
import { assertClose, checkRewrite, type RewriteCase } from '@anneal/testkit';
import { onnxBackend } from '../src/index.ts';
import { fuse, hasFixedWork, trainingFusions } from '../src/lower/fuse.ts';

const input = (g: GraphBuilder, name: string, ...shape: number[]): Value => g.input(name, 'float32', shape);
const turned = (g: GraphBuilder, x: Value, ...perm: number[]): Value =>
  g.one('Transpose', [x], { attributes: { perm: { ints: perm } } });
const scale = (g: GraphBuilder, shape: readonly number[]): Value => g.constant(tensor('float32', shape, [0.125]));

/** Rows that are added into zeros which are not known before the run. */
const scattered = (g: GraphBuilder, shape: readonly number[]): Value => {
  const zeros = g.ops.broadcastTo(g.ops.mul(input(g, 'zero', 1, 1), 0), shape);
  const at = g.constant(tensor('int64', [2, 3], [0n, 1n, 2n, 0n, 1n, 5n]));
  return g.ops.scatterAdd(zeros, at, input(g, 'u', 2, 3), { axis: 0 });
};

const CASES: Readonly<Record<string, readonly RewriteCase[]>> = {
  'linear layer': [
    {
      name: 'of rows',
      build: (g) => g.ops.add(g.ops.matmul(input(g, 'x', 5, 4), input(g, 'w', 4, 3)), input(g, 'b', 3)),
    },
    {
      name: 'of sequences, bias first',
      build: (g) => g.ops.add(input(g, 'b', 3), g.ops.matmul(input(g, 'x', 2, 5, 4), input(g, 'w', 4, 3))),
    },
    {
      name: 'with a bias for all columns is none',
      times: 0,
      build: (g) => g.ops.add(g.ops.matmul(input(g, 'x', 5, 4), input(g, 'w', 4, 3)), input(g, 'b', 1)),
    },
    {
      name: 'whose product is used elsewhere is none',
      times: 0,
      build: (g) => {
        const product = g.ops.matmul(input(g, 'x', 5, 4), input(g, 'w', 4, 3));
        return [g.ops.add(product, input(g, 'b', 3)), g.ops.relu(product)];
      },
    },
  ],
  'scattered sum': [
    {
      name: 'of a table and its look-ups',
      build: (g) => g.ops.add(input(g, 'x', 6, 3), scattered(g, [6, 3])),
    },
    {
      name: 'of something that broadcasts is none',
      times: 0,
      build: (g) => g.ops.add(input(g, 'x', 3), scattered(g, [6, 3])),
    },
    {
      name: 'into a table that is not empty is none',
      times: 0,
      build: (g) => {
        const at = g.constant(tensor('int64', [2, 3], [0n, 1n, 2n, 3n, 1n, 2n]));
        const table = g.ops.broadcastTo(g.ops.mul(input(g, 'zero', 1, 3), 2), [6, 3]);
        return g.ops.add(input(g, 'x', 6, 3), g.ops.scatterAdd(table, at, input(g, 'u', 2, 3), { axis: 0 }));
      },
    },
  ],
  'scaled product': [
    {
      name: 'by multiplication',
      build: (g) => g.ops.mul(scale(g, []), g.ops.matmul(input(g, 'a', 2, 3, 4), input(g, 'b', 2, 4, 3))),
    },
    {
      name: 'by division, of a transposed product that is scaled already',
      times: 2,
      build: (g) => {
        const product = g.ops.matmul(input(g, 'a', 3, 4), input(g, 'b', 3, 4), { transposeB: true });
        return g.ops.div(g.ops.mul(product, 3), scale(g, [1]));
      },
    },
    {
      name: 'divided by it is none',
      times: 0,
      build: (g) => g.ops.div(scale(g, []), g.ops.matmul(input(g, 'a', 3, 4), input(g, 'b', 4, 3))),
    },
    {
      name: 'with another axis is none',
      times: 0,
      build: (g) => g.ops.mul(g.ops.matmul(input(g, 'a', 3, 4), input(g, 'b', 4, 3)), scale(g, [1, 1, 1])),
    },
  ],
  'product with transA': [
    {
      name: 'of a batch',
      build: (g) => g.ops.matmul(turned(g, input(g, 'a', 2, 4, 3), 0, 2, 1), input(g, 'b', 4, 5)),
    },
  ],
  'product with transB': [
    {
      name: 'whose transpose is used elsewhere',
      build: (g) => {
        const b = turned(g, input(g, 'b', 5, 4), 1, 0);
        return [g.ops.matmul(input(g, 'a', 3, 4), b), g.ops.relu(b)];
      },
    },
    {
      name: 'turned over twice',
      build: (g) => g.ops.matmul(input(g, 'a', 3, 4), turned(g, input(g, 'b', 4, 5), 1, 0), { transposeB: true }),
    },
    {
      name: 'of other axes is none',
      times: 0,
      build: (g) => g.ops.matmul(input(g, 'a', 2, 3, 4), turned(g, input(g, 'b', 4, 2, 5), 1, 0, 2)),
    },
  ],
};

describe('fusions', () => {
  it('have cases', () => {
    expect(Object.keys(CASES).sort()).toEqual(
      trainingFusions('cpu')
        .map(({ name }) => name)
        .sort(),
    );
  });

  it.each(trainingFusions('cpu').map((rule): [string, Rewrite] => [rule.name, rule]))('%s', async (name, rule) => {
    await checkRewrite(rule, CASES[name] ?? []);
  });

  it('leave half precision as it is', () => {
    const g = new GraphBuilder();
    const [x, w, b] = [[5, 4], [4, 3], [3]].map((shape, i) => g.input(`v${i}`, 'float16', shape)) as [
      Value,
      Value,
      Value,
    ];
    g.output('y', g.ops.mul(g.ops.add(g.ops.matmul(x, w), b), 2));
    expect(fuse(g.build()).nodes.map(({ op }) => op)).toEqual(['MatMul', 'Add', 'Mul']);
  });
});

/** What each parameter of an optimizer computes anew, and a layer with a scale. */
function repetitive(): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const [x, step] = [input(g, 'x', 6, 8), input(g, 'step')];
  for (const name of ['a', 'b']) {
    const correction = ops.sub(1, ops.pow(0.9, step));
    const y = ops.add(ops.matmul(x, input(g, name, 8, 4)), input(g, `${name}.bias`, 4));
    g.output(`y.${name}`, ops.div(ops.mul(ops.matmul(y, y, { transposeB: true }), 0.5), correction));
  }
  return g.build();
}

describe('a training program', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await onnxBackend({ threads: 1 });
  });
  afterAll(() => backend.close());

  it('has nothing twice, and fused kernels', () => {
    const ops = fuse(repetitive()).nodes.map(({ op }) => op);
    expect(ops.sort()).toEqual(['Div', 'Div', 'FusedMatMul', 'FusedMatMul', 'Gemm', 'Gemm', 'Pow', 'Sub']);
  });

  it('computes what it did', async () => {
    const graph = repetitive();
    const feeds: Record<string, TensorData> = {};
    for (const [name, { dims }] of graph.inputs) {
      const size = dims.reduce((a, b) => a * b, 1);
      feeds[name] = tensor(
        'float32',
        dims,
        Array.from({ length: size }, (_, i) => ((i * 7) % 11) / 11 + 0.5),
      );
    }
    const program = await backend.compile(graph, { purpose: 'training' });
    const results = await program.run(feeds);
    for (const [name, value] of Object.entries(await interpret(graph, feeds))) {
      assertClose(results[name] as TensorData, value, { absolute: 1e-5, relative: 1e-5 });
    }
  });

  it.each<[string, boolean, (g: GraphBuilder, w: Value) => Value]>([
    ['a weight', false, (_g, w) => w],
    ['a view of it', false, ({ ops }, w) => ops.reshape(w, [4, 8])],
    ['its double', true, ({ ops }, w) => ops.mul(w, 2)],
    ['the square of a view', true, ({ ops }, w) => ops.pow(ops.reshape(w, [4, 8]), 2)],
    ['a sum with an input', false, (g, w) => g.ops.add(w, input(g, 'z', 1))],
  ])('leaves work on weights alone to the runtime: %s', (_name, fixed, build) => {
    const g = new GraphBuilder();
    const w = g.parameter('w', tensor('float32', [8, 4], new Float32Array(32)));
    g.output('y', g.ops.mul(build(g, w), input(g, 'x', 1)));
    expect(hasFixedWork(g.build())).toBe(fixed);
  });
});
