import { attr, sizeOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { add, concat, div, expand, mul, pad, sliceAxis, sub, unary } from './calc.ts';
import { gatherAxis } from './indexing.ts';
import { mean } from './reductions.ts';
import { arg, axisAttribute, type Rule } from './rule.ts';

interface Centred {
  readonly mean: Tensor;
  readonly centred: Tensor;
  readonly variance: Tensor;
}

/** Mean and biased variance over some axes, which stay with size 1. */
function moments(k: Kernels, x: Tensor, axes: readonly number[]): Centred {
  const average = mean(k, x, axes);
  const centred = sub(k, x, average);
  return { mean: average, centred, variance: mean(k, mul(k, centred, centred), axes) };
}

const inverseRoot = (k: Kernels, variance: Tensor, epsilon: number): Tensor =>
  unary(k, 'Rsqrt', add(k, variance, epsilon));

/** Trailing axes from `axis` on. */
function trailing(axis: number, rank: number): number[] {
  return Array.from({ length: rank - axis }, (_, i) => axis + i);
}

/** Outputs: the result, the mean and `1 / sqrt(variance + epsilon)` of each row (Ba et al., 2016). */
const layerNormalization: Rule = (step) => {
  const epsilon = attr.float(step, 'epsilon', 1e-5);
  return (call) => {
    const { k, inputs } = call;
    const x = arg(call, 0);
    const axes = trailing(axisAttribute(step, x.shape.length, -1), x.shape.length);
    const { mean: average, centred, variance } = moments(k, x, axes);
    const inverse = inverseRoot(k, variance, epsilon);
    const scaled = mul(k, mul(k, centred, inverse), arg(call, 1));
    const out = inputs[2] === undefined ? scaled : add(k, scaled, inputs[2]);
    return [out, average, inverse].filter((_, i) => step.outputs[i] !== undefined);
  };
};

/** Outputs: the result and `1 / sqrt(mean(x²) + epsilon)` of each row (Zhang & Sennrich, 2019). */
const rmsNormalization: Rule = (step) => {
  const epsilon = attr.float(step, 'epsilon', 1e-5);
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const axes = trailing(axisAttribute(step, x.shape.length, -1), x.shape.length);
    const inverse = inverseRoot(k, mean(k, mul(k, x, x), axes), epsilon);
    const out = mul(k, mul(k, x, inverse), arg(call, 1));
    return [out, inverse].filter((_, i) => step.outputs[i] !== undefined);
  };
};

/** A vector of channels, to be broadcast over `[batch, channels, …]`. */
const ofChannels = (k: Kernels, values: Tensor, rank: number): Tensor =>
  k.alias(values, [sizeOf(values.shape), ...Array.from({ length: Math.max(0, rank - 2) }, () => 1)]);

/** Training mode normalises by the batch's own moments and moves the running ones (Ioffe & Szegedy, 2015). */
const batchNormalization: Rule = (step) => {
  const epsilon = attr.float(step, 'epsilon', 1e-5);
  const momentum = attr.float(step, 'momentum', 0.9);
  const training = attr.int(step, 'training_mode', 0) === 1;
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const rank = x.shape.length;
    const [scale, bias, runningMean, runningVariance] = [1, 2, 3, 4].map((i) => arg(call, i)) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const own = training
      ? moments(
          k,
          x,
          x.shape.map((_, i) => i).filter((i) => i !== 1),
        )
      : undefined;
    const centred = own?.centred ?? sub(k, x, ofChannels(k, runningMean, rank));
    const variance = own?.variance ?? ofChannels(k, runningVariance, rank);
    const normal = mul(k, centred, inverseRoot(k, variance, epsilon));
    const out = add(k, mul(k, normal, ofChannels(k, scale, rank)), ofChannels(k, bias, rank));
    const moved = (running: Tensor, batch: Tensor | undefined): Tensor =>
      batch === undefined
        ? running
        : add(k, mul(k, running, momentum), mul(k, k.alias(batch, running.shape), 1 - momentum));
    const results = [out, moved(runningMean, own?.mean), moved(runningVariance, own?.variance)];
    return results.filter((_, i) => step.outputs[i] !== undefined);
  };
};

const meanVariance: Rule = (step) => {
  const given = attr.ints(step, 'axes') ?? [0, 2, 3];
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const axes = given.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
    const { centred, variance } = moments(k, x, axes);
    // The function that defines the operator adds 1e-9 to the deviation.
    return div(k, centred, add(k, unary(k, 'Sqrt', variance), 1e-9));
  };
};

/** Normalises `groups` runs of channels of each sample (Wu & He, 2018); one of one channel is instance normalisation. */
function groupNormalize(k: Kernels, x: Tensor, groups: number, epsilon: number, scale: Tensor, bias: Tensor): Tensor {
  const [batch, channels] = x.shape as [number, number];
  const rows = k.alias(x, [batch * groups, sizeOf(x.shape) / (batch * groups)]);
  const { centred, variance } = moments(k, rows, [1]);
  const normal = k.alias(mul(k, centred, inverseRoot(k, variance, epsilon)), x.shape);
  // Set 18 has one scale a group, set 21 one a channel.
  const each = (values: Tensor): Tensor => {
    const count = sizeOf(values.shape);
    const all = count === channels ? values : expand(k, k.alias(values, [count, 1]), [count, channels / count]);
    return ofChannels(k, k.alias(all, [channels]), x.shape.length);
  };
  return add(k, mul(k, normal, each(scale)), each(bias));
}

const groupNormalization: Rule = (step) => (call) =>
  groupNormalize(
    call.k,
    arg(call, 0),
    attr.int(step, 'num_groups', 1),
    attr.float(step, 'epsilon', 1e-5),
    arg(call, 1),
    arg(call, 2),
  );

const instanceNormalization: Rule = (step) => (call) => {
  const x = arg(call, 0);
  const epsilon = attr.float(step, 'epsilon', 1e-5);
  return groupNormalize(call.k, x, x.shape[1] ?? 1, epsilon, arg(call, 1), arg(call, 2));
};

/** Local response normalisation across `size` neighbouring channels (Krizhevsky et al., 2012). */
const lrn: Rule = (step) => {
  const [size, alpha] = [attr.int(step, 'size', 1), attr.float(step, 'alpha', 1e-4)];
  const [beta, bias] = [attr.float(step, 'beta', 0.75), attr.float(step, 'bias', 1)];
  const before = Math.floor((size - 1) / 2);
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const channels = x.shape[1] as number;
    const around = x.shape.map((_, i): [number, number] => (i === 1 ? [before, size - 1 - before] : [0, 0]));
    const squares = pad(k, mul(k, x, x), around, 0);
    let sum = sliceAxis(k, squares, 1, 0, channels);
    for (let i = 1; i < size; i++) sum = add(k, sum, sliceAxis(k, squares, 1, i, channels));
    const base = add(k, mul(k, sum, alpha / size), bias);
    return div(k, x, k.run('Pow', { a: base, b: k.scalar(beta) }));
  };
};

/** Where the operands of the two rotary operators are. */
interface RotaryInputs {
  readonly cos: number;
  readonly sin: number;
  readonly positions: number;
}

/**
 * Rotates pairs of each head by the angle of their position (Su et al., 2021). X is `[batch, heads, sequence, head]` or
 * `[batch, sequence, heads · head]`. The pairs are the two halves of the head, or neighbours with `interleaved`.
 */
function rotary(at: RotaryInputs): Rule {
  return (step) => {
    const interleaved = attr.int(step, 'interleaved', 0) === 1;
    return (call) => {
      const { k, inputs } = call;
      const x = arg(call, 0);
      const half = arg(call, at.cos).shape.at(-1) as number;
      const flat = x.shape.length === 3;
      const [batch, last] = [x.shape[0] as number, x.shape.at(-1) as number];
      const sequence = x.shape[flat ? 1 : 2] as number;
      const heads = flat ? attr.int(step, 'num_heads', 0) || last / (2 * half) : (x.shape[1] as number);
      const size = flat ? last / heads : last;
      const angles = (cache: Tensor): Tensor => {
        const rows = anglesOf(k, cache, inputs[at.positions], batch, sequence, half);
        return k.alias(rows, [batch, ...(flat ? [sequence, 1] : [1, sequence]), half]);
      };
      const [cos, sin] = [angles(arg(call, at.cos)), angles(arg(call, at.sin))];
      const split = k.alias(x, flat ? [batch, sequence, heads, size] : x.shape);
      const turned = turn(k, sliceAxis(k, split, 3, 0, 2 * half), cos, sin, half, interleaved);
      const rest = size - 2 * half;
      const out = rest === 0 ? turned : concat(k, [turned, sliceAxis(k, split, 3, 2 * half, rest)], 3);
      return k.alias(out, x.shape);
    };
  };
}

/** Rows of a cache for every sample and position: `[batch · sequence, half]`. */
function anglesOf(
  k: Kernels,
  cache: Tensor,
  positions: Tensor | undefined,
  batch: number,
  sequence: number,
  half: number,
): Tensor {
  const all = batch * sequence;
  if (positions === undefined) return k.alias(cache, [all, half]);
  const count = sizeOf(positions.shape);
  if (count === all) return gatherAxis(k, cache, k.alias(positions, [all]), 0);
  // One number is where all samples start.
  const steps = k.write(
    Int32Array.from({ length: all }, (_, i) => i % sequence),
    [all],
    'int32',
  );
  return gatherAxis(k, cache, add(k, steps, k.alias(positions, [1])), 0);
}

function turn(k: Kernels, x: Tensor, cos: Tensor, sin: Tensor, half: number, interleaved: boolean): Tensor {
  const outer = x.shape.slice(0, 3);
  const pairs = interleaved ? k.alias(x, [...outer, half, 2]) : x;
  const part = (i: number): Tensor =>
    interleaved ? k.alias(sliceAxis(k, pairs, 4, i, 1), [...outer, half]) : sliceAxis(k, x, 3, i * half, half);
  const [one, two] = [part(0), part(1)];
  const left = sub(k, mul(k, one, cos), mul(k, two, sin));
  const right = add(k, mul(k, one, sin), mul(k, two, cos));
  if (!interleaved) return concat(k, [left, right], 3);
  const stacked = [left, right].map((side) => k.alias(side, [...outer, half, 1]));
  return k.alias(concat(k, stacked, 4), x.shape);
}

export const norms: Record<
  | 'LayerNormalization'
  | 'RMSNormalization'
  | 'SimplifiedLayerNormalization'
  | 'BatchNormalization'
  | 'MeanVarianceNormalization'
  | 'GroupNormalization'
  | 'InstanceNormalization'
  | 'LRN'
  | 'RotaryEmbedding'
  | 'com.microsoft.RotaryEmbedding',
  Rule
> = {
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  BatchNormalization: batchNormalization,
  MeanVarianceNormalization: meanVariance,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  RotaryEmbedding: rotary({ cos: 1, sin: 2, positions: 3 }),
  'com.microsoft.RotaryEmbedding': rotary({ positions: 1, cos: 2, sin: 3 }),
};
