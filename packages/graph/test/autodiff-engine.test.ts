import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import { GraphError } from '../src/error.ts';
import type { Value } from '../src/ir.ts';
import { tensor } from '../src/tensor.ts';
import { type Case, checkGradients, numbersOf } from './autodiff/harness.ts';

function refusal(run: () => unknown): GraphError {
  try {
    run();
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A builder with a vector `x`. */
function start(shape: readonly number[] = [3]): { g: GraphBuilder; x: Value } {
  const g = new GraphBuilder();
  return { g, x: g.input('x', 'float64', shape) };
}

describe('gradients', () => {
  it('start at one for a scalar loss, or at a seed', () => {
    const { g, x } = start();
    const y = g.ops.mul(x, x);
    const own = gradients(g, g.ops.sum(y), [x]).get(x) as Value;
    const seeded = gradients(g, y, [x], { seed: g.constant(tensor('float64', [3], [1, 10, 100])) }).get(x) as Value;
    g.output('own', own);
    g.output('seeded', seeded);
    expect(numbersOf(g.build(), { x: tensor('float64', [3], [1, 2, 3]) })).toEqual({
      own: [2, 4, 6],
      seeded: [2, 40, 600],
    });
  });

  it('exist for the loss itself and for values in the middle', () => {
    const { g, x } = start();
    const middle = g.ops.exp(x);
    const loss = g.ops.sum(g.ops.mul(middle, middle));
    const found = gradients(g, loss, [loss, middle, x]);
    g.output('loss', found.get(loss) as Value);
    g.output('middle', found.get(middle) as Value);
    g.output('x', found.get(x) as Value);
    expect(numbersOf(g.build(), { x: tensor('float64', [3], [0, 0, 0]) })).toEqual({
      loss: [1],
      middle: [2, 2, 2],
      x: [2, 2, 2],
    });
  });

  it('need a scalar loss or a seed like it', () => {
    const { g, x } = start();
    const y = g.ops.exp(x);
    const shapeless = refusal(() => gradients(g, y, [x]));
    expect(shapeless.code).toBe('ANNEAL_E_SHAPE');
    expect(shapeless.message).toContain('[3]');
    expect(refusal(() => gradients(g, y, [x], { seed: g.scalar(1, 'float64') })).code).toBe('ANNEAL_E_SHAPE');
    expect(refusal(() => gradients(g, y, [x], { seed: g.ops.ones([3]) })).message).toContain('float32[3]');
  });

  it('exist for floats only', () => {
    const { g, x } = start();
    const ids = g.input('ids', 'int64', [2]);
    const error = refusal(() => gradients(g, g.ops.sum(g.ops.take(x, ids)), [ids]));
    expect(error.code).toBe('ANNEAL_E_DTYPE');
    expect(error.message).toContain('"ids" is int64');
  });

  it('of what the loss does not depend on are an error, zeros or left out', () => {
    const { g, x } = start();
    const other = g.input('other', 'float64', [2]);
    const loss = g.ops.sum(x);
    const error = refusal(() => gradients(g, loss, [x, other]));
    expect(error.code).toBe('ANNEAL_E_GRAPH');
    expect(error.message).toContain('"other"');
    expect(gradients(g, loss, [x, other], { unused: 'omit' }).has(other)).toBe(false);
    g.output('zeros', gradients(g, loss, [x, other], { unused: 'zeros' }).get(other) as Value);
    const feeds = { x: tensor('float64', [3], [1, 2, 3]), other: tensor('float64', [2], [1, 2]) };
    expect(numbersOf(g.build(), feeds)['zeros']).toEqual([0, 0]);
  });

  it('end at stopGradient, comparisons, signs and integers', () => {
    const { g, x } = start();
    const { ops } = g;
    const stops = [
      ops.stopGradient(x),
      ops.sign(x),
      ops.cast(ops.greater(x, 0), 'float64'),
      ops.cast(ops.argmax(x), 'float64'),
      ops.cast(ops.cast(x, 'int64'), 'float64'),
    ];
    for (const stopped of stops) {
      const loss = ops.sum(stopped);
      expect(gradients(g, loss, [x], { unused: 'omit' }).size).toBe(0);
      // Beside an open path only that one counts.
      const found = gradients(g, ops.sum(ops.mul(x, stopped)), [x]).get(x) as Value;
      expect(found.dims).toEqual([3]);
    }
    const product = ops.sum(ops.mul(x, ops.stopGradient(x)));
    g.output('x', gradients(g, product, [x]).get(x) as Value);
    expect(numbersOf(g.build(), { x: tensor('float64', [3], [1, 2, 3]) })['x']).toEqual([1, 2, 3]);
  });

  it('are refused where a path leads through an operator without one, naming it and its module', () => {
    const { g, x } = start();
    const quantized = g.scope('bert.pooler', () => g.node('DynamicQuantizeLinear', [x], { outputs: 3 })) as Value[];
    const loss = g.ops.sum(g.ops.cast(quantized[0] as Value, 'float64'));
    const error = refusal(() => gradients(g, loss, [x]));
    expect(error.code).toBe('ANNEAL_E_NOT_DIFFERENTIABLE');
    expect(error.message).toContain('DynamicQuantizeLinear in bert.pooler lies between "x" and the loss');
    expect(error.at).toMatchObject({ op: 'DynamicQuantizeLinear', module: 'bert.pooler' });
    expect(error.fix).toContain('DequantizeLinear');
    // Beside the path it does no harm.
    const y = g.input('y', 'float64', [3]);
    expect(gradients(g, g.ops.sum(g.ops.mul(y, loss)), [y]).size).toBe(1);
  });

  it('are refused for operators that no table knows', () => {
    const { g, x } = start();
    const y = g.one('Warp', [x], { domain: 'example', types: [{ dtype: 'float64', shape: [3] }] });
    const error = refusal(() => gradients(g, g.ops.sum(y), [x]));
    expect(error.code).toBe('ANNEAL_E_NOT_DIFFERENTIABLE');
    expect(error.at?.['op']).toBe('example.Warp');
  });

  it('are refused with respect to an input that has none', () => {
    const { g, x } = start([2, 3, 4]);
    const [scale, bias, mean, variance] = ['s', 'b', 'm', 'v'].map((name) => g.input(name, 'float64', [3])) as [
      Value,
      Value,
      Value,
      Value,
    ];
    const y = g.one('BatchNormalization', [x, scale, bias, mean, variance]);
    const error = refusal(() => gradients(g, g.ops.sum(y), [mean]));
    expect(error.code).toBe('ANNEAL_E_NOT_DIFFERENTIABLE');
    expect(error.message).toContain('input 3, "m"');
    expect(gradients(g, g.ops.sum(y), [x, scale, bias]).size).toBe(3);
  });

  it('are refused where the loss uses a second output', () => {
    const { g, x } = start([2, 4]);
    const scale = g.input('s', 'float64', [4]);
    const [y, mean] = g.node('LayerNormalization', [x, scale], { outputs: 2 }) as [Value, Value];
    const loss = g.ops.add(g.ops.sum(y), g.ops.cast(g.ops.sum(mean), 'float64'));
    expect(refusal(() => gradients(g, loss, [x])).message).toContain('LayerNormalization: only its first output');
  });

  it('need constants where the shape of a gradient hangs on them', () => {
    const { g, x } = start([4]);
    const repeats = g.input('n', 'int64', [1]);
    const tiled = g.one('Tile', [x, repeats]);
    const error = refusal(() => gradients(g, g.ops.sum(tiled), [x]));
    expect(error.code).toBe('ANNEAL_E_SYMBOLIC_DIM');
  });

  it('need static shapes', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch']);
    expect(refusal(() => gradients(g, g.ops.sum(x), [x])).code).toBe('ANNEAL_E_SYMBOLIC_DIM');
  });

  it('add the statistics of a normalisation to the node that is there', () => {
    const g = new GraphBuilder();
    const [x, scale] = [g.input('x', 'float32', [2, 4]), g.input('s', 'float32', [4])];
    const y = g.ops.layerNorm(x, scale);
    gradients(g, g.ops.sum(g.ops.mul(y, y)), [x]);
    const nodes = g.nodes.filter(({ op }) => op === 'LayerNormalization');
    expect(nodes).toHaveLength(1);
    expect(nodes[0]?.outputs.map((value) => value?.shape.join())).toEqual(['2,4', '2,1', '2,1']);
    expect(nodes[0]?.outputs[0]).toBe(y);
  });

  it('multiply flattened matrices for a weight, and transpose nothing', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', [8, 16, 4]), g.input('w', 'float32', [4, 5])];
    const y = g.ops.matmul(x, w);
    const forward = g.nodes.length + 2;
    gradients(g, g.ops.sum(g.ops.mul(y, y)), [x, w]);
    const backward = g.nodes.slice(forward);
    expect(backward.map(({ op }) => op)).not.toContain('Transpose');
    expect(backward.flatMap(({ outputs }) => outputs.map((value) => value?.shape.join()))).not.toContain('8,4,5');
    expect(backward.filter(({ op }) => op === 'Gemm')).toHaveLength(1);
  });

  it('keep the module of the node that they belong to', () => {
    const { g, x } = start();
    const y = g.scope('model.layer', () => g.ops.exp(x));
    const forward = g.nodes.length;
    gradients(g, g.ops.sum(y), [x]);
    expect(g.nodes.slice(forward).map(({ op, scope }) => [op, scope])).toContainEqual(['Mul', 'model.layer']);
  });
});

/** A gradient inside the function that is differentiated. */
const second = (name: string, inputs: Case['inputs'], inner: Case['build']): Case => ({
  name,
  inputs,
  tolerance: 1e-7,
  build: (g, values) => {
    const loss = g.ops.sum(inner(g, values));
    return gradients(g, loss, [values['x'] as Value]).get(values['x'] as Value) as Value;
  },
});

describe('gradients of gradients', () => {
  it.each([
    second('a power', { x: [4] }, ({ ops }, { x }) => ops.pow(x as Value, 3)),
    second('Gelu', { x: [6] }, ({ ops }, { x }) => ops.gelu(x as Value)),
    second('a small network', { x: [3, 4], w: [4, 2] }, ({ ops }, { x, w }) =>
      ops.tanh(ops.matmul(x as Value, w as Value)),
    ),
    second('attention', { x: [2, 3, 4], w: [2, 3, 4] }, ({ ops }, { x, w }) =>
      ops.matmul(ops.softmax(ops.matmul(x as Value, w as Value, { transposeB: true })), w as Value),
    ),
    second('a normalisation', { x: [2, 5], w: [5] }, ({ ops }, { x, w }) =>
      ops.exp(ops.layerNorm(x as Value, w as Value)),
    ),
    second('an embedding', { x: [4, 2] }, ({ ops }, { x }) =>
      ops.exp(ops.take(x as Value, ops.constant(tensor('int64', [3], [0, 2, 2])))),
    ),
  ])('$name', (given) => {
    checkGradients(given);
  });
});
