import type { DType } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import { attr, type Value } from '../../ir.ts';
import { byteLengthOf, isLazy, tensor, tensorFromBytes, bytesOf, type TensorSource } from '../../tensor.ts';
import { int8InputGradient } from '../../rewrites/int8-linears.ts';
import { placeOf, whereIs } from '../place.ts';
import { axisAttribute, product, range, reshaped, unbroadcast } from '../shapes.ts';
import { once, type VjpContext, type VjpRule } from '../types.ts';

/** A tensor and its scale in shapes that broadcast: one scale for all, one along an axis, or one a block of it. */
interface Aligned {
  readonly view: readonly number[];
  readonly scale: readonly number[];
}

function align(c: VjpContext, x: Value, scale: Value): Aligned | undefined {
  if (product(scale.dims) === 1 && scale.rank <= 1) return { view: x.dims, scale: x.dims.map(() => 1) };
  const axis = axisAttribute(c, 1, x.rank);
  const block = attr.int(c, 'block_size', 0);
  const size = x.dims[axis] as number;
  if (block === 0) return { view: x.dims, scale: x.dims.map((dim, i) => (i === axis ? dim : 1)) };
  // A last block that is not full has no rectangular view.
  if (size % block !== 0) return undefined;
  const split = (inner: number): number[] => x.dims.flatMap((dim, i) => (i === axis ? [size / block, inner] : [dim]));
  return { view: split(block), scale: split(1) };
}

/** The quantised tensor has the gradient of what it stands for, times the scale: what its quantiser divides by again. */
const dequantizeLinear: VjpRule = (c) => {
  const { ops } = c;
  const [x, scale] = [c.x(0), c.x(1)];
  const zeroPoint = c.inputs[2];
  const aligned = align(c, x, scale);
  if (aligned === undefined) return [];
  const dy = once(() => reshaped(ops, c.dy, aligned.view));
  const shaped = (v: Value): Value => reshaped(ops, v, aligned.scale);
  return [
    () => reshaped(ops, ops.mul(dy(), shaped(scale)), x.dims),
    () => {
      let steps = reshaped(ops, ops.cast(x, c.dy.dtype), aligned.view);
      if (zeroPoint !== undefined) steps = ops.sub(steps, shaped(ops.cast(zeroPoint, c.dy.dtype)));
      return reshaped(ops, unbroadcast(ops, ops.mul(dy(), steps), aligned.scale), scale.dims);
    },
  ];
};

const QUANTIZED_RANGE: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
  uint4: [0, 15],
};

/** Straight through the rounding, nothing where the range cuts off (Bengio et al., 2013, arXiv 1308.3432). */
const quantizeLinear: VjpRule = (c) => {
  const { ops } = c;
  const [x, scale] = [c.x(0), c.x(1)];
  const zeroPoint = c.inputs[2];
  const limits = QUANTIZED_RANGE[zeroPoint?.dtype ?? 'uint8'];
  const aligned = align(c, x, scale);
  if (aligned === undefined || limits === undefined) return [];
  return [
    () => {
      const steps = reshaped(ops, scale, aligned.scale);
      let level = ops.round(ops.div(reshaped(ops, x, aligned.view), steps));
      if (zeroPoint !== undefined) level = ops.add(level, reshaped(ops, ops.cast(zeroPoint, x.dtype), aligned.scale));
      const inside = ops.logicalAnd(ops.greaterEqual(level, limits[0]), ops.lessEqual(level, limits[1]));
      const passed = ops.mul(ops.cast(inside, c.dy.dtype), reshaped(ops, c.dy, aligned.view));
      return reshaped(ops, ops.div(passed, steps), x.dims);
    },
  ];
};

/** Columns of an int8 weight times their scales: `dX = dY Wᵀ` with `W` dequantised for the moment. */
const dynamicQuantizeMatmul: VjpRule = (c) => {
  const [b, scale] = [c.x(1), c.x(2)];
  const zeroPoint = c.inputs[3];
  const bias = c.inputs[4];
  return [
    () => {
      const weight = c.g.one('DequantizeLinear', [b, scale, zeroPoint], { attributes: { axis: { int: b.rank - 1 } } });
      return unbroadcast(c.ops, c.ops.matmul(c.dy, weight, { transposeB: true }), c.x(0).dims);
    },
    undefined,
    undefined,
    undefined,
    bias && (() => c.ops.sum(c.dy, { axes: range(0, c.dy.rank - 1) })),
  ];
};

/** In int8 as well, with the weight that was rounded for it: see `int8Linears`. */
const int8Linear: VjpRule = (c) => [() => int8InputGradient(c.ops, c.dy, c.x(3), c.x(4))];

/** The same bytes under another type: nothing is copied, a lazy tensor stays in its file. */
function retyped(source: TensorSource, dtype: DType, shape: readonly number[]): TensorSource {
  if (isLazy(source)) return { dtype, shape, source: source.source, offset: source.offset };
  return tensorFromBytes(dtype, shape, bytesOf(source).subarray(0, byteLengthOf(dtype, shape)));
}

/** A frozen weight seen as another type. */
function reinterpret(c: VjpContext, value: Value, dtype: DType, shape: readonly number[]): Value | undefined {
  const constant = c.g.constantOf(value);
  const name = `${value.name}::${dtype}[${shape}]`;
  const known = c.g.findParameter(name);
  if (known !== undefined) return known.value;
  const source = constant ?? c.g.parameterOf(value)?.data;
  return source && c.g.parameter(name, retyped(source, dtype, shape));
}

/**
 * Weights of 4 or 8 bits in blocks: the forward node stays, `dX = dY W` with `W` dequantised for the moment from the
 * very same bytes, declared as a `[N, K]` tensor of 4- or 8-bit elements.
 */
const matmulNBits: VjpRule = (c) => {
  const { g, ops, dy } = c;
  const bits = attr.int(c, 'bits', 4);
  const [k, n, block] = [attr.int(c, 'K', 0), attr.int(c, 'N', 0), attr.int(c, 'block_size', 0)];
  const dtype = ({ 4: 'uint4', 8: 'uint8' } as const)[bits];
  const blocks = Math.ceil(k / block);
  const bias = c.inputs[5];
  const weight = (): Value => {
    const zeroPoint = c.inputs[3];
    const data = dtype && reinterpret(c, c.x(1), dtype, [n, blocks * block]);
    // Rows of zero points are padded to whole bytes: with an odd number of 4-bit ones they are no plain tensor.
    const plain = zeroPoint === undefined || (zeroPoint.dtype === 'uint8' && (blocks * bits) % 8 === 0);
    const zero = dtype && plain ? zeroPoints(c, dtype, [n, blocks]) : undefined;
    if (data === undefined || zero === undefined || c.inputs[4] !== undefined) {
      throw new GraphError(
        'ANNEAL_E_NOT_DIFFERENTIABLE',
        `${whereIs(c.node)}: this layout has no gradient: ${layout(c)}`,
        {
          at: placeOf(c.node),
          fix: 'requantise with 4 or 8 bits, no g_idx and constant weights',
        },
      );
    }
    const scale = reshaped(ops, c.x(2), [n, blocks]);
    const dense = g.one('DequantizeLinear', [data, scale, zero], {
      attributes: { axis: { int: 1 }, block_size: { int: block } },
    });
    return blocks * block === k ? dense : ops.slice(dense, [{ axis: 1, start: 0, end: k }]);
  };
  return [
    () => ops.matmul(dy, weight()),
    undefined,
    undefined,
    undefined,
    undefined,
    bias && (() => ops.sum(dy, { axes: range(0, dy.rank - 1) })),
  ];
};

function zeroPoints(c: VjpContext, dtype: 'uint4' | 'uint8', shape: readonly [number, number]): Value | undefined {
  const given = c.inputs[3];
  if (given !== undefined) return reinterpret(c, given, dtype, shape);
  // The middle of the range: 8 twice in a byte, or 128.
  const bytes = new Uint8Array(byteLengthOf(dtype, shape)).fill(dtype === 'uint4' ? 0x88 : 0x80);
  return c.g.constant(tensor(dtype, shape, bytes));
}

function layout(c: VjpContext): string {
  const kind = (index: number): string => {
    const value = c.inputs[index];
    return value === undefined ? 'none' : `${value.dtype}[${value.shape.join(', ')}]`;
  };
  return `${attr.int(c, 'bits', 4)} bits, zero points ${kind(3)}, g_idx ${kind(4)}`;
}

export const quantizedRules: Record<
  | 'DequantizeLinear'
  | 'QuantizeLinear'
  | 'anneal.Int8Linear'
  | 'com.microsoft.DynamicQuantizeMatMul'
  | 'com.microsoft.MatMulNBits',
  VjpRule
> = {
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  'anneal.Int8Linear': int8Linear,
  'com.microsoft.DynamicQuantizeMatMul': dynamicQuantizeMatmul,
  'com.microsoft.MatMulNBits': matmulNBits,
};
