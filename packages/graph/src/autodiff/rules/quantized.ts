import type { DType } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import { attr, type Value } from '../../ir.ts';
import { byteLengthOf, isLazy, tensor, tensorFromBytes, bytesOf, type TensorSource } from '../../tensor.ts';
import { product, range, reshaped, unbroadcast } from '../shapes.ts';
import type { VjpContext, VjpRule } from '../types.ts';

/** The quantised tensor has the gradient of what it stands for, times the scale: what its quantiser divides by again. */
const dequantizeLinear: VjpRule = (c) => {
  const { ops, dy } = c;
  const [x, scale] = [c.x(0), c.x(1)];
  const zeroPoint = c.inputs[2];
  const block = attr.int(c, 'block_size', 0);
  const axis = attr.int(c, 'axis', 1);
  const aligned = alignScale(scale, x, axis, block);
  if (aligned === undefined) return [];
  const shaped = (v: Value): Value => reshaped(ops, v, aligned);
  return [
    () => ops.mul(dy, shaped(scale)),
    () => {
      let steps = ops.cast(x, dy.dtype);
      if (zeroPoint !== undefined) steps = ops.sub(steps, shaped(ops.cast(zeroPoint, dy.dtype)));
      return reshaped(ops, unbroadcast(ops, ops.mul(dy, steps), aligned), scale.dims);
    },
  ];
};

/** The shape in which a per-tensor or per-axis scale broadcasts against `x`; `undefined` for a scale per block. */
function alignScale(scale: Value, x: Value, axis: number, block: number): readonly number[] | undefined {
  if (block > 0) return undefined;
  if (scale.rank === 0 || product(scale.dims) === 1) return x.dims.map(() => 1);
  const at = axis < 0 ? axis + x.rank : axis;
  return x.dims.map((dim, i) => (i === at ? dim : 1));
}

const QUANTIZED_RANGE: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
  uint4: [0, 15],
};

/** Straight through the rounding, nothing where the range cuts off. */
const quantizeLinear: VjpRule = (c) => {
  const { ops, dy } = c;
  const [x, scale] = [c.x(0), c.x(1)];
  const zeroPoint = c.inputs[2];
  const limits = QUANTIZED_RANGE[zeroPoint?.dtype ?? 'uint8'];
  const aligned = alignScale(scale, x, attr.int(c, 'axis', 1), attr.int(c, 'block_size', 0));
  if (aligned === undefined || limits === undefined) return [];
  return [
    () => {
      const steps = reshaped(ops, scale, aligned);
      let level = ops.round(ops.div(x, steps));
      if (zeroPoint !== undefined) level = ops.add(level, reshaped(ops, ops.cast(zeroPoint, x.dtype), aligned));
      const inside = ops.logicalAnd(ops.greaterEqual(level, limits[0]), ops.lessEqual(level, limits[1]));
      return ops.where(inside, ops.div(dy, steps), 0);
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
      throw new GraphError('ANNEAL_E_NOT_DIFFERENTIABLE', `MatMulNBits: this layout has no gradient: ${layout(c)}`, {
        at: { op: 'com.microsoft.MatMulNBits', module: c.node.scope },
        fix: 'requantise with 4 or 8 bits, no g_idx and constant weights',
      });
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
  'DequantizeLinear' | 'QuantizeLinear' | 'com.microsoft.DynamicQuantizeMatMul' | 'com.microsoft.MatMulNBits',
  VjpRule
> = {
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  'com.microsoft.DynamicQuantizeMatMul': dynamicQuantizeMatmul,
  'com.microsoft.MatMulNBits': matmulNBits,
};
