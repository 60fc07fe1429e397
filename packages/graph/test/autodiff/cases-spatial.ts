import type { Attributes } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import type { Case } from './harness.ts';

type Numbers = Readonly<Record<string, readonly number[] | number | string>>;

function attributes(values: Numbers): Attributes {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      if (typeof value === 'number') return [key, { int: value }];
      return [key, typeof value === 'string' ? { string: value } : { ints: value }];
    }),
  );
}

const conv = (
  op: string,
  x: readonly number[],
  w: readonly number[],
  bias: number | undefined,
  given: Numbers,
): Case => ({
  name: `${op} [${x}] [${w}] ${JSON.stringify(given)}`,
  inputs: bias === undefined ? { x, w } : { x, w, b: [bias] },
  build: (g, values) => g.one(op, [values['x'], values['w'], values['b']], { attributes: attributes(given) }),
});

const pool = (op: string, x: readonly number[], given: Numbers): Case => ({
  name: `${op} [${x}] ${JSON.stringify(given)}`,
  inputs: { x },
  build: (g, values) => g.one(op, [values['x']], { attributes: attributes(given) }),
});

const resize = (
  x: readonly number[],
  given: Numbers,
  sizes: readonly number[] | undefined,
  scales?: number[],
): Case => ({
  name: `Resize [${x}] to ${sizes ?? `x ${scales}`} ${JSON.stringify(given)}`,
  inputs: { x },
  build: (g, values) => {
    const factors = scales && g.constant(tensor('float32', [scales.length], scales));
    return g.one('Resize', [values['x'], undefined, factors, sizes && g.ints(sizes)], {
      attributes: attributes(given),
    });
  },
});

const einsum = (equation: string, ...shapes: (readonly number[])[]): Case => ({
  name: `Einsum ${equation}`,
  inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, shape])),
  build: (g, values) => g.one('Einsum', Object.values(values), { attributes: { equation: { string: equation } } }),
});

export const spatialCases: readonly Case[] = [
  conv('Conv', [2, 2, 6], [3, 2, 3], 3, {}),
  conv('Conv', [1, 2, 7], [2, 2, 2], undefined, { strides: [3], pads: [1, 0] }),
  conv('Conv', [1, 2, 5, 4], [2, 2, 3, 2], 2, { strides: [2, 1], pads: [1, 0, 1, 1] }),
  conv('Conv', [1, 4, 5, 5], [4, 2, 2, 3], 4, { group: 2, strides: [2, 2] }),
  conv('Conv', [2, 3, 5], [6, 1, 3], undefined, { group: 3, dilations: [2] }),
  conv('Conv', [1, 1, 6, 6], [1, 1, 2, 2], undefined, { strides: [3, 4], dilations: [2, 1] }),
  conv('Conv', [1, 2, 5, 6], [2, 2, 3, 2], undefined, { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  conv('Conv', [1, 2, 5], [1, 2, 4], undefined, { auto_pad: 'SAME_LOWER' }),
  conv('Conv', [1, 1, 3, 3, 3], [2, 1, 2, 2, 2], undefined, {}),
  conv('Conv', [1, 2, 4, 3, 4], [2, 1, 2, 2, 2], 2, { group: 2, strides: [2, 1, 2], pads: [1, 0, 0, 0, 1, 1] }),
  conv('Conv', [1, 1, 5, 4, 3], [1, 1, 2, 2, 2], undefined, { dilations: [3, 1, 2] }),
  conv('Conv', [1, 4, 6, 7], [2, 2, 2, 2], 2, { group: 2, dilations: [2, 3], strides: [1, 2], pads: [2, 1, 0, 3] }),
  conv('Conv', [2, 1, 5, 6], [1, 1, 3, 3], undefined, { auto_pad: 'SAME_LOWER', strides: [2, 3] }),
  conv('Conv', [1, 1, 5], [1, 1, 3], undefined, { auto_pad: 'VALID', strides: [2] }),
  conv('ConvTranspose', [1, 2, 2, 1, 2], [2, 1, 2, 2, 2], 2, { group: 2, strides: [2, 1, 2] }),
  conv('ConvTranspose', [1, 1, 2, 2, 2], [1, 2, 2, 1, 2], undefined, {
    strides: [2, 2, 3],
    dilations: [1, 2, 2],
    output_padding: [1, 0, 2],
    pads: [0, 0, 1, 1, 0, 0],
  }),
  conv('ConvTranspose', [1, 2, 3, 2], [2, 1, 2, 3], undefined, { strides: [2, 2], auto_pad: 'SAME_LOWER' }),
  conv('ConvTranspose', [1, 4, 3, 2], [4, 1, 3, 2], 2, { group: 2, dilations: [2, 1], output_padding: [1, 0] }),
  conv('ConvTranspose', [1, 2, 4], [2, 3, 3], 3, {}),
  conv('ConvTranspose', [1, 2, 3, 4], [2, 2, 3, 2], 2, { strides: [2, 3], pads: [1, 0, 0, 1], output_padding: [1, 2] }),
  conv('ConvTranspose', [1, 4, 3], [4, 2, 2], undefined, { group: 2, dilations: [3], output_padding: [2] }),
  conv('ConvTranspose', [1, 2, 3], [2, 1, 3], undefined, { strides: [2], auto_pad: 'SAME_UPPER' }),
  conv('ConvTranspose', [1, 2, 3], [2, 1, 3], undefined, { strides: [2], output_shape: [8] }),
  ...['MaxPool', 'AveragePool', 'LpPool'].flatMap((op) => [
    pool(op, [1, 2, 6], { kernel_shape: [2], strides: [2] }),
    pool(op, [1, 1, 5, 4], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] }),
    pool(op, [1, 1, 7], { kernel_shape: [2], dilations: [2], strides: [3] }),
    pool(op, [1, 1, 6], { kernel_shape: [3], strides: [2], ceil_mode: 1 }),
    pool(op, [2, 1, 5], { kernel_shape: [3], strides: [2], auto_pad: 'SAME_UPPER' }),
  ]),
  pool('AveragePool', [1, 1, 5, 5], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  pool('AveragePool', [1, 1, 6], { kernel_shape: [3], strides: [2], pads: [1, 0], count_include_pad: 1, ceil_mode: 1 }),
  pool('LpPool', [1, 1, 5], { kernel_shape: [2], p: 1 }),
  pool('LpPool', [1, 1, 5], { kernel_shape: [3], p: 3 }),
  pool('GlobalAveragePool', [2, 3, 2, 4], {}),
  pool('GlobalMaxPool', [2, 3, 2, 4], {}),
  pool('DepthToSpace', [1, 8, 2, 3], { blocksize: 2 }),
  pool('DepthToSpace', [1, 8, 2, 3], { blocksize: 2, mode: 'CRD' }),
  pool('SpaceToDepth', [1, 2, 4, 6], { blocksize: 2 }),
  resize([1, 2, 3, 4], { mode: 'nearest' }, undefined, [1, 1, 2, 2]),
  resize([1, 2, 3, 4], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric' }, [1, 2, 5, 3]),
  resize([1, 1, 3, 4], { mode: 'linear' }, undefined, [1, 1, 1.7, 0.6]),
  resize([1, 1, 3, 4], { mode: 'linear', coordinate_transformation_mode: 'align_corners' }, [1, 1, 7, 2]),
  resize([1, 1, 4, 4], { mode: 'cubic' }, [1, 1, 6, 7]),
  resize([3, 4], { mode: 'linear', axes: [0] }, [5]),
  resize([3, 2, 2], { mode: 'linear', axes: [0, -1] }, [4, 5]),
  einsum('bij,kj->bik', [2, 3, 4], [5, 4]),
  einsum('i,i->', [4], [4]),
  einsum('ij->', [2, 3]),
  einsum('ij->j', [2, 3]),
  einsum('i,j->ij', [2], [3]),
  einsum('ij,jk,kl->il', [2, 3], [3, 2], [2, 2]),
  einsum('...ij,...jk', [2, 1, 2, 3], [4, 3, 2]),
  einsum('bij,bk->i', [2, 3, 4], [2, 5]),
];
