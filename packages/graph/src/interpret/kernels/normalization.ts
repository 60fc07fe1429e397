import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import type { NdArray } from '../array.ts';
import { arg, type Kernel, type Result } from '../kernel.ts';
import { offsets, stridesOf } from '../strided.ts';

/** Mean and biased variance of some elements. */
export function moments(data: Float64Array, at: ArrayLike<number>): { mean: number; variance: number } {
  const n = at.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += data[at[i] as number] as number;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += ((data[at[i] as number] as number) - mean) ** 2;
  return { mean, variance: squares / n };
}

/** Offsets of the elements of each group that shares its index on all axes but `axes`. */
export function groupsOver(shape: readonly number[], axes: readonly number[]): Int32Array[] {
  const strides = stridesOf(shape);
  const kept = shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const pick = (from: readonly number[], which: readonly number[]): number[] => which.map((i) => from[i] as number);
  const bases = offsets(pick(shape, kept), pick(strides, kept));
  return Array.from(bases, (base) => offsets(pick(shape, axes), pick(strides, axes), base));
}

const meanVariance: Kernel = (call): Result => {
  const x = arg(call, 0);
  const axes = (attr.ints(call.node, 'axes') ?? [0, 2, 3]).map((axis) => (axis < 0 ? axis + x.shape.length : axis));
  const data = new Float64Array(x.data.length);
  for (const group of groupsOver(x.shape, axes)) {
    const { mean, variance } = moments(x.data, group);
    // The function that defines the operator adds 1e-9 to the deviation.
    for (const at of group) data[at] = ((x.data[at] as number) - mean) / (Math.sqrt(variance) + 1e-9);
  }
  return { shape: x.shape, data };
};

/** Normalises `groups` runs of channels of each sample (Wu & He, 2018); a run of one channel is instance normalisation. */
function groupNormalize(x: NdArray, groups: number, epsilon: number, scale: NdArray, bias: NdArray): Result {
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const area = sizeOf(spatial);
  const size = (channels / groups) * area;
  const data = new Float64Array(x.data.length);
  for (let run = 0; run < batch * groups; run++) {
    const at = Int32Array.from({ length: size }, (_, i) => run * size + i);
    const { mean, variance } = moments(x.data, at);
    for (const i of at) {
      const channel = Math.floor(i / area) % channels;
      // Opset 18 has one scale a group, opset 21 one a channel.
      const which = scale.data.length === channels ? channel : Math.floor(channel / (channels / groups));
      const normal = ((x.data[i] as number) - mean) / Math.sqrt(variance + epsilon);
      data[i] = normal * (scale.data[which] as number) + (bias.data[which] as number);
    }
  }
  return { shape: x.shape, data };
}

const groupNormalization: Kernel = (call) =>
  groupNormalize(
    arg(call, 0),
    attr.int(call.node, 'num_groups', 1),
    attr.float(call.node, 'epsilon', 1e-5),
    arg(call, 1),
    arg(call, 2),
  );

const instanceNormalization: Kernel = (call) =>
  groupNormalize(
    arg(call, 0),
    arg(call, 0).shape[1] ?? 1,
    attr.float(call.node, 'epsilon', 1e-5),
    arg(call, 1),
    arg(call, 2),
  );

/** Local response normalisation across `size` neighbouring channels (Krizhevsky et al., 2012). */
const lrn: Kernel = (call): Result => {
  const x = arg(call, 0);
  const { node } = call;
  const [size, alpha] = [attr.int(node, 'size', 1), attr.float(node, 'alpha', 1e-4)];
  const [beta, bias] = [attr.float(node, 'beta', 0.75), attr.float(node, 'bias', 1)];
  const channels = x.shape[1] ?? 1;
  const area = sizeOf(x.shape.slice(2));
  const data = x.data.map((value, i) => {
    const channel = Math.floor(i / area) % channels;
    const from = Math.max(0, channel - Math.floor((size - 1) / 2));
    const to = Math.min(channels - 1, channel + Math.ceil((size - 1) / 2));
    let squares = 0;
    for (let c = from; c <= to; c++) squares += (x.data[i + (c - channel) * area] as number) ** 2;
    return value / (bias + (alpha / size) * squares) ** beta;
  });
  return { shape: x.shape, data };
};

export const normalizations: Record<
  'MeanVarianceNormalization' | 'InstanceNormalization' | 'GroupNormalization' | 'LRN',
  Kernel
> = {
  MeanVarianceNormalization: meanVariance,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LRN: lrn,
};
