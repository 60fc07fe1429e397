import type { Attributes, Value } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import type { Case } from './harness.ts';

const AXES: readonly (readonly number[] | undefined)[] = [undefined, [0], [-1], [0, 2], []];

/** One reduction over several choices of axes, with and without keeping them. */
function reductions(op: string, low: number = -2, high: number = 2): Case[] {
  return AXES.flatMap((axes) =>
    [0, 1].map((keepdims) => ({
      name: `${op} axes ${axes === undefined ? 'all' : `[${axes}]`} keepdims ${keepdims}`,
      inputs: { x: { shape: [2, 3, 4], low, high } },
      build: (g, { x }) =>
        g.one(op, axes === undefined ? [x] : [x, g.ints(axes)], {
          attributes: { keepdims: { int: keepdims }, noop_with_empty_axes: { int: Number(axes !== undefined) } },
        }),
    })),
  );
}

const onAxis = (op: string, axis: number, attributes: Attributes = {}, shape: readonly number[] = [2, 3, 4]): Case => ({
  name: `${op} axis ${axis} ${JSON.stringify(attributes)}`,
  inputs: { x: shape },
  build: (g, { x }) => g.one(op, [x], { attributes: { axis: { int: axis }, ...attributes } }),
});

/** A normalisation with a scale and perhaps a bias. */
function norm(op: string, bias: boolean, attributes: Attributes, scale: readonly number[], name: string = op): Case {
  const inputs: Record<string, readonly number[]> = { x: [2, 3, 4], scale };
  return {
    name,
    inputs: bias ? { ...inputs, bias: scale } : inputs,
    build: (g, values) => g.one(op, Object.values(values), { attributes }),
  };
}

const epsilon: Attributes = { epsilon: { float: 1e-3 } };

export const reduceCases: readonly Case[] = [
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2'].flatMap((op) => reductions(op)),
  ...['ReduceLogSumExp', 'ReduceSumSquare'].flatMap((op) => reductions(op)),
  ...reductions('ReduceLogSum', 0.2, 2),
  ...reductions('ReduceProd', 0.5, 1.5),
  ...[0, 1, -1].flatMap((axis) => [onAxis('Softmax', axis), onAxis('LogSoftmax', axis)]),
  onAxis('LpNormalization', -1),
  onAxis('LpNormalization', 1, { p: { int: 1 } }),
  {
    name: 'Softmax with masked columns',
    inputs: { x: [2, 4] },
    build: (g, { x }) => g.ops.softmax(g.ops.add(x as Value, g.constant(tensor('float64', [4], [0, -1e4, 0, -1e4])))),
  },
  norm('LayerNormalization', true, epsilon, [4]),
  norm('LayerNormalization', false, epsilon, [4], 'LayerNormalization without bias'),
  norm('LayerNormalization', true, { ...epsilon, axis: { int: 1 } }, [3, 4], 'LayerNormalization axis 1'),
  // In float32 the statistics are outputs of the forward node; in double precision they are exact.
  {
    ...norm('LayerNormalization', true, epsilon, [4], 'LayerNormalization with statistics'),
    dtype: 'float32',
    tolerance: 1e-7,
  },
  norm('RMSNormalization', false, epsilon, [4]),
  norm('SimplifiedLayerNormalization', false, epsilon, [4]),
  {
    ...norm('SimplifiedLayerNormalization', false, epsilon, [4], 'SimplifiedLayerNormalization with statistics'),
    dtype: 'float32',
    tolerance: 1e-7,
  },
  {
    name: 'InstanceNormalization',
    inputs: { x: [2, 3, 4, 2], scale: [3], bias: [3] },
    build: (g, { x, scale, bias }) => g.one('InstanceNormalization', [x, scale, bias], { attributes: epsilon }),
  },
  {
    name: 'GroupNormalization',
    inputs: { x: [2, 4, 3], scale: [4], bias: [4] },
    build: (g, { x, scale, bias }) =>
      g.one('GroupNormalization', [x, scale, bias], { attributes: { ...epsilon, num_groups: { int: 2 } } }),
  },
  {
    name: 'BatchNormalization',
    inputs: { x: [2, 3, 4], scale: [3], bias: [3] },
    build: (g, { x, scale, bias }) => {
      const mean = g.constant(tensor('float64', [3], [0.1, -0.2, 0.3]));
      const variance = g.constant(tensor('float64', [3], [0.5, 1, 2]));
      return g.one('BatchNormalization', [x, scale, bias, mean, variance], { attributes: epsilon });
    },
  },
  {
    name: 'MeanVarianceNormalization',
    inputs: { x: [2, 3, 2, 2] },
    build: (g, { x }) => g.one('MeanVarianceNormalization', [x]),
  },
];
