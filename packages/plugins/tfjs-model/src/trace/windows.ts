import type { Attributes, Dim, GraphBuilder, TensorData, Value } from '@anneal/graph';
import { sizeOf, tensor } from '@anneal/graph';

/** How a window moves, in TensorFlow's terms; a number for each spatial axis. */
export interface WindowSpec {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** `causal`: all padding comes before. Or explicit numbers, `[before…, after…]`. */
  readonly padding: 'same' | 'valid' | 'causal' | readonly number[];
}

/**
 * Attributes of ONNX for a window over axes of these sizes. `same` puts the odd element of the padding at the end. How
 * much it is depends on the size where the window makes steps, so of open sizes it is left to the runtime.
 */
export function windowAttributes(spec: WindowSpec, sizes: readonly Dim[]): Attributes {
  const { kernel, strides, dilations, padding } = spec;
  const attributes: Attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    ...(dilations.some((step) => step !== 1) && { dilations: { ints: dilations } }),
  };
  const spans = kernel.map((size, axis) => (size - 1) * (dilations[axis] as number));
  if (padding === 'valid') return attributes;
  if (padding === 'causal') return { ...attributes, pads: { ints: [...spans, ...spans.map(() => 0)] } };
  if (padding !== 'same') return { ...attributes, pads: { ints: padding } };
  const totals = spans.map((span, axis) => {
    const [size, stride] = [sizes[axis], strides[axis] as number];
    if (stride === 1) return span;
    if (typeof size !== 'number') return undefined;
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + span + 1 - size);
  });
  if (totals.includes(undefined)) return { ...attributes, auto_pad: { string: 'SAME_UPPER' } };
  const before = totals.map((total) => Math.floor((total as number) / 2));
  return {
    ...attributes,
    pads: { ints: [...before, ...totals.map((total, axis) => (total as number) - (before[axis] as number))] },
  };
}

/**
 * Attributes of ONNX for a transposed convolution, which gives `size · stride` elements with `same`, and with `valid` as
 * many as the last window reaches.
 */
export function transposedAttributes({ kernel, strides, dilations, padding }: WindowSpec): Attributes {
  const spans = kernel.map((size, axis) => (size - 1) * (dilations[axis] as number) + 1);
  const rest = spans.map((span, axis) => span - (strides[axis] as number));
  const totals = rest.map((more) => (padding === 'same' ? Math.max(0, more) : 0));
  const before = totals.map((total) => Math.floor(total / 2));
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: strides },
    dilations: { ints: dilations },
    pads: { ints: [...before, ...totals.map((total, axis) => total - (before[axis] as number))] },
    output_padding: { ints: rest.map((more) => Math.max(0, -more)) },
  };
}

/** The tensor with its axes in another order, computed now. */
export function permuted({ dtype, shape, data }: TensorData, perm: readonly number[]): TensorData {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const to = perm.map((axis) => shape[axis] as number);
  const steps = perm.map((axis) => strides[axis] as number);
  const out = data.slice();
  const index = to.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from] as number;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      from += steps[axis] as number;
      if ((index[axis] as number) < (to[axis] as number)) break;
      from -= (steps[axis] as number) * (to[axis] as number);
      index[axis] = 0;
    }
  }
  return tensor(dtype, to, out);
}

/** Order of the axes of a kernel `[spatial…, in, out]` in ONNX: `[out, in, spatial…]`. */
export function kernelOrder(rank: number): readonly number[] {
  return [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)];
}

/** A kernel `[spatial…, in, multiplier]` of a depthwise convolution as ONNX has it: `[in · multiplier, 1, spatial…]`. */
export function depthwiseKernel(kernel: TensorData): TensorData {
  const rank = kernel.shape.length;
  const spatial = kernel.shape.slice(0, rank - 2);
  const moved = permuted(kernel, [rank - 2, rank - 1, ...spatial.map((_, i) => i)]);
  return { ...moved, shape: [sizeOf(kernel.shape.slice(rank - 2)), 1, ...spatial] };
}

/** A vector over channels, added to a tensor that has them first. */
export function addToChannels(g: GraphBuilder, x: Value, bias: Value): Value {
  const axes = x.shape.slice(2).map((_, i) => i + 1);
  return g.ops.add(x, axes.length === 0 ? bias : g.ops.expandDims(bias, axes));
}
