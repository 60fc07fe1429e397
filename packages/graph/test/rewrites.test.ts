import { differenceOf } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import {
  bind,
  constantFolder,
  evaluate,
  foldConstants,
  type Graph,
  GraphBuilder,
  gradients,
  rewrite,
  simplify,
  SIMPLIFICATIONS,
  tensor,
  type TensorData,
  type Value,
} from '../src/index.ts';
import { randomGraph } from './rewrites/random-graph.ts';
import { KEPT_CASES, RULE_CASES, type RuleCase } from './rewrites/rule-cases.ts';

type Feeds = Readonly<Record<string, TensorData>>;

const opsOf = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op);

function build(trace: (g: GraphBuilder) => Readonly<Record<string, Value>>): Graph {
  const g = new GraphBuilder();
  for (const [name, value] of Object.entries(trace(g))) g.output(name, value);
  return g.build();
}

/** Both give the same numbers, bit for bit but for the sign of zeros. */
function expectSame(rewritten: Graph, original: Graph, feeds: Feeds): void {
  const [actual, expected] = [evaluate(rewritten, feeds), evaluate(original, feeds)];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    expect(differenceOf(actual[name] as TensorData, value), name).toBeUndefined();
  }
}

const X: Feeds = { x: tensor('float32', [2, 3], [0.5, -1, 2, Infinity, 3.25, -0.75]) };

const graphOf = ({ build: trace, symbolic }: RuleCase): Graph =>
  build((g) => ({ y: trace(g, g.input('x', 'float32', [symbolic ? 'rows' : 2, 3])) }));

describe('simplify: rules', () => {
  it('have cases, all of them', () => {
    expect(Object.keys(RULE_CASES).sort()).toEqual(SIMPLIFICATIONS.map(({ name }) => name).sort());
  });

  const cases = Object.entries(RULE_CASES).flatMap(([name, list]) =>
    list.map((c, i) => [`${name}, ${i + 1}`, c] as const),
  );
  it.each(cases)('%s', (_name, ruleCase) => {
    const graph = graphOf(ruleCase);
    const simplified = simplify(graph);
    expect(opsOf(simplified)).toEqual(ruleCase.left);
    expect(graph.nodes.length).toBeGreaterThan(simplified.nodes.length);
    expectSame(simplified, graph, X);
  });

  it.each(Object.entries(KEPT_CASES))('do not apply to %s', (_name, ruleCase) => {
    const graph = graphOf(ruleCase);
    expect(opsOf(simplify(graph))).toEqual(ruleCase.left);
    expectSame(simplify(graph), graph, X);
  });
});

describe('simplify', () => {
  it.each(Array.from({ length: 60 }, (_, i) => i + 1))('keeps what random graph %i computes', (seed) => {
    const { graph, feeds } = randomGraph(seed);
    const simplified = simplify(graph);
    expectSame(simplified, graph, feeds);
    expect(simplified.nodes.length).toBeLessThanOrEqual(graph.nodes.length);
    expect(opsOf(simplify(simplified))).toEqual(opsOf(simplified));
  });

  it('computes equal nodes once', () => {
    const graph = build((g) => {
      const x = g.input('x', 'float32', [2, 3]);
      const twice = [0, 1].map(() => g.ops.softmax(g.ops.add(x, g.constant(tensor('float32', [3], [1, 2, 3])))));
      return { y: g.ops.mul(twice[0] as Value, twice[1] as Value) };
    });
    const simplified = simplify(graph);
    expect(opsOf(simplified)).toEqual(['Add', 'Softmax', 'Mul']);
    expect(simplified.constants.size).toBe(1);
    expectSame(simplified, graph, X);
  });

  it('tells apart attributes, outputs and constants that differ', () => {
    const graph = build((g) => {
      const x = g.input('x', 'float32', [2, 3]);
      const zero = [0, -0].map((v) => g.constant(tensor('float32', [1], [v])));
      return {
        rows: g.ops.softmax(x, { axis: 0 }),
        columns: g.ops.softmax(x, { axis: 1 }),
        positive: g.ops.div(1, zero[0] as Value),
        negative: g.ops.div(1, zero[1] as Value),
        one: g.node('TopK', [x, g.ints([1])], { outputs: [true, false] })[0] as Value,
        two: g.node('TopK', [x, g.ints([1])], { outputs: [false, true] })[1] as Value,
      };
    });
    const { positive, negative } = evaluate(simplify(graph), X);
    expect([positive?.data[0], negative?.data[0]]).toEqual([Infinity, -Infinity]);
    expectSame(simplify(graph), graph, X);
  });

  it('keeps names, inputs without a use, and the modules of nodes', () => {
    const graph = build((g) => {
      const x = g.input('x', 'float32', [2, 3]);
      g.input('unused', 'float32', ['n']);
      const w = g.parameter('layer.weight', tensor('float32', [3], [1, 2, 3]), { trainable: true });
      return { y: g.scope('layer', () => g.ops.identity(g.ops.mul(g.ops.identity(x), w))) };
    });
    const simplified = simplify(graph);
    expect([...simplified.inputs.keys()]).toEqual(['x', 'unused']);
    expect([...simplified.outputs.keys()]).toEqual(['y']);
    expect(simplified.parameters.get('layer.weight')?.trainable).toBe(true);
    expect(simplified.nodes.map(({ scope }) => scope)).toEqual(['layer']);
  });

  it('returns an input as an output', () => {
    const graph = build((g) => ({ y: g.ops.identity(g.input('x', 'float32', [2, 3])) }));
    const simplified = simplify(graph);
    expect(simplified.nodes).toEqual([]);
    expect(evaluate(simplified, X)['y']).toEqual(X['x']);
  });

  it('keeps what a training step computes, in fewer nodes', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const w = g.parameter('w', tensor('float32', [3, 3], [1, -1, 0.5, 0, 2, 1, -0.5, 1, 0]), { trainable: true });
    const loss = g.ops.mean(
      g.ops.tanh(g.ops.matmul(g.ops.layerNorm(x, g.constant(tensor('float32', [3], [1, 1, 1]))), w)),
    );
    g.output('loss', loss);
    g.output('dw', gradients(g, loss, [w]).get(w) as Value);
    const graph = g.build();
    const feeds = { x: tensor('float32', [2, 3], [0.5, -1, 2, 1.5, 3.25, -0.75]) };
    expectSame(simplify(graph), graph, feeds);
    expect(simplify(graph).nodes.length).toBeLessThan(graph.nodes.length);
  });
});

describe('foldConstants', () => {
  it('leaves no shape arithmetic once sizes are bound', () => {
    const graph = build((g) => {
      const x = g.input('x', 'float32', ['batch', 'sequence', 8]);
      const shape = g.ops.shapeOf(x);
      const dim = (i: number): Value => g.one('Gather', [shape, g.ints([i])]);
      const heads = g.ops.concat([dim(0), dim(1), g.ints([2]), g.ops.div(dim(2), 2)], { axis: 0 });
      const mask = g.one('ConstantOfShape', [g.ops.concat([dim(1), dim(1)], { axis: 0 })]);
      return { y: g.one('Reshape', [x, heads]), mask: g.ops.tril(g.ops.add(mask, 1)) };
    });
    const folded = foldConstants(bind(graph, { batch: 2, sequence: 3 }));
    expect(opsOf(folded)).toEqual(['Reshape']);
    expect(folded.outputs.get('y')?.dims).toEqual([2, 3, 2, 4]);
    expect(
      evaluate(folded, {
        x: tensor(
          'float32',
          [2, 3, 8],
          Array.from({ length: 48 }, (_, i) => i),
        ),
      })['mask'],
    ).toEqual(tensor('float32', [3, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1]));
  });

  it.each(Array.from({ length: 20 }, (_, i) => i + 100))('keeps what random graph %i computes', (seed) => {
    const { graph, feeds } = randomGraph(seed);
    expectSame(foldConstants(graph), graph, feeds);
  });

  it('never folds parameters', () => {
    const graph = build((g) => ({ y: g.ops.exp(g.parameter('w', tensor('float32', [2], [1, 2]))) }));
    expect(opsOf(foldConstants(graph))).toEqual(['Exp']);
  });

  it('leaves large results to the runtime', () => {
    const graph = build((g) => ({ y: g.ops.ones([65, 64]) }));
    expect(opsOf(foldConstants(graph))).toEqual(['Expand']);
    expect(opsOf(foldConstants(graph, { maxElements: 65 * 64 }))).toEqual([]);
  });

  it('does not try what would take the machine with it', () => {
    const huge = build((g) => ({
      fill: g.one('ConstantOfShape', [g.ints([2 ** 40])]),
      tile: g.ops.tile(g.constant(tensor('float32', [1], [1])), [2 ** 40]),
      range: g.one('Range', [g.scalar(0, 'int64'), g.scalar(2 ** 40, 'int64'), g.scalar(1, 'int64')]),
      rows: g.one('NonZero', [g.constant(tensor('float32', [4096], new Float32Array(4096).fill(1)))]),
    }));
    expect(opsOf(foldConstants(huge))).toEqual(['ConstantOfShape', 'Tile', 'Range']);
    const einsum = build((g) => {
      const vector = g.constant(tensor('float32', [200], new Float32Array(200)));
      const inputs = Array.from({ length: 6 }, () => vector);
      return { y: g.one('Einsum', inputs, { attributes: { equation: { string: 'a,b,c,d,e,f->' } } }) };
    });
    expect(opsOf(foldConstants(einsum))).toEqual(['Einsum']);
  });

  it('keeps the ends of the 64-bit range, and leaves arithmetic near them alone', () => {
    const top = 2n ** 63n - 1n;
    const graph = build((g) => {
      const end = g.constant(tensor('int64', [1], [top]));
      const odd = g.constant(tensor('int64', [1], [2n ** 53n + 1n]));
      return {
        moved: g.ops.concat([end, g.ints([1])], { axis: 0 }),
        computed: g.ops.sub(end, g.ints([1])),
        large: g.ops.concat([odd, g.ints([1])], { axis: 0 }),
        product: g.ops.mul(g.ints([2 ** 40]), g.ints([2 ** 20])),
      };
    });
    const folded = foldConstants(graph);
    expect(opsOf(folded)).toEqual(['Sub', 'Concat', 'Mul']);
    expect(evaluate(folded, {})['moved']?.data).toEqual(BigInt64Array.of(top, 1n));
  });

  it('leaves mistakes and unknown operators where they are', () => {
    const graph = build((g) => ({
      outside: g.one('Gather', [g.ints([1, 2]), g.scalar(5, 'int64')]),
      unknown: g.one('Mystery', [g.ints([1])], { domain: 'x.y', types: [{ dtype: 'int64', shape: [1] }] }),
    }));
    expect(opsOf(foldConstants(graph))).toEqual(['Gather', 'Mystery']);
    expect(() => evaluate(graph, {})).toThrow(/index 5 is outside an axis of 2 elements/);
  });

  it('is a rewriter that composes with others', () => {
    const graph = build((g) => ({ y: g.ops.add(g.input('x', 'float32', [1]), g.ops.exp(g.scalar(0, 'float32'))) }));
    const fold = constantFolder(graph.opsets);
    const rewritten = rewrite(graph, {
      node: (node, inputs, g) => fold(node, inputs, g) ?? (node.op === 'Add' ? [g.one('Sub', inputs)] : undefined),
    });
    expect(opsOf(rewritten)).toEqual(['Sub']);
    expect(evaluate(rewritten, { x: tensor('float32', [1], [3]) })['y']?.data[0]).toBe(2);
  });
});
