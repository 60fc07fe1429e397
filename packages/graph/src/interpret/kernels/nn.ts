import type { nn as rules } from '../../infer/nn.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import { arg, axisArg, type Call, type Kernel, type Result, shapeMismatch } from '../kernel.ts';
import { groupsOver, moments } from './normalization.ts';

/** Trailing axes of a normalisation that starts at its `axis`. */
function trailing(call: Call, rank: number): { axes: number[]; rows: (shape: readonly number[]) => number[] } {
  const axis = axisArg(call, rank, -1);
  const axes = Array.from({ length: rank - axis }, (_, i) => axis + i);
  return { axes, rows: (shape) => shape.map((dim, i) => (i < axis ? dim : 1)) };
}

/** Element `i` of a scale or bias that broadcasts over the trailing axes. */
function weight(values: Float64Array | undefined, i: number, fallback: number): number {
  return values === undefined ? fallback : (values[i % values.length] as number);
}

/** Outputs: the result, the mean and `1 / sqrt(variance + epsilon)` of each row (Ba et al., 2016). */
const layerNormalization: Kernel = (call): Result[] => {
  const [x, scale, bias] = [arg(call, 0), arg(call, 1), call.inputs[2]];
  const epsilon = attr.float(call.node, 'epsilon', 1e-5);
  const { axes, rows } = trailing(call, x.shape.length);
  const data = new Float64Array(x.data.length);
  const [means, inverses]: [number[], number[]] = [[], []];
  for (const group of groupsOver(x.shape, axes)) {
    const { mean, variance } = moments(x.data, group);
    const inverse = 1 / Math.sqrt(variance + epsilon);
    group.forEach((at, i) => {
      const normal = ((x.data[at] as number) - mean) * inverse;
      data[at] = normal * weight(scale.data, i, 1) + weight(bias?.data, i, 0);
    });
    means.push(mean);
    inverses.push(inverse);
  }
  const shape = rows(x.shape);
  return [
    { shape: x.shape, data },
    { shape, data: Float64Array.from(means) },
    { shape, data: Float64Array.from(inverses) },
  ];
};

/** Outputs: the result and `1 / sqrt(mean(x²) + epsilon)` of each row (Zhang & Sennrich, 2019). */
const rmsNormalization: Kernel = (call): Result[] => {
  const [x, scale] = [arg(call, 0), arg(call, 1)];
  const epsilon = attr.float(call.node, 'epsilon', 1e-5);
  const { axes, rows } = trailing(call, x.shape.length);
  const data = new Float64Array(x.data.length);
  const inverses: number[] = [];
  for (const group of groupsOver(x.shape, axes)) {
    const squares = group.reduce((sum, at) => sum + (x.data[at] as number) ** 2, 0);
    const inverse = 1 / Math.sqrt(squares / group.length + epsilon);
    group.forEach((at, i) => {
      data[at] = (x.data[at] as number) * inverse * weight(scale.data, i, 1);
    });
    inverses.push(inverse);
  }
  return [
    { shape: x.shape, data },
    { shape: rows(x.shape), data: Float64Array.from(inverses) },
  ];
};

/** Training mode normalises by the batch's own moments and moves the running ones towards them (Ioffe & Szegedy, 2015). */
const batchNormalization: Kernel = (call): Result[] => {
  const [x, scale, bias, mean, variance] = [arg(call, 0), arg(call, 1), arg(call, 2), arg(call, 3), arg(call, 4)];
  const epsilon = attr.float(call.node, 'epsilon', 1e-5);
  const momentum = attr.float(call.node, 'momentum', 0.9);
  const training = attr.int(call.node, 'training_mode', 0) === 1;
  const others = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const data = new Float64Array(x.data.length);
  const [means, variances] = [mean.data.slice(), variance.data.slice()];
  groupsOver(x.shape, others).forEach((group, c) => {
    const running = { mean: mean.data[c] as number, variance: variance.data[c] as number };
    const used = training ? moments(x.data, group) : running;
    for (const at of group) {
      const normal = ((x.data[at] as number) - used.mean) / Math.sqrt(used.variance + epsilon);
      data[at] = normal * (scale.data[c] as number) + (bias.data[c] as number);
    }
    means[c] = running.mean * momentum + used.mean * (1 - momentum);
    variances[c] = running.variance * momentum + used.variance * (1 - momentum);
  });
  return [
    { shape: x.shape, data },
    { shape: mean.shape, data: training ? means : mean.data },
    { shape: variance.shape, data: training ? variances : variance.data },
  ];
};

/** Where the inputs of the two rotary operators are. */
interface RotaryInputs {
  readonly cos: number;
  readonly sin: number;
  readonly positions: number;
}

/**
 * Rotates pairs of each head by the angle of their position (Su et al., 2021). X is `[batch, heads, sequence, head]` or
 * `[batch, sequence, heads · head]`. The pairs are the two halves of the head, or neighbours with `interleaved`.
 */
function rotary(where: RotaryInputs): Kernel {
  return (call): Result => {
    const [x, cos, sin, positions] = [
      arg(call, 0),
      arg(call, where.cos),
      arg(call, where.sin),
      call.inputs[where.positions],
    ];
    const { node } = call;
    const half = cos.shape.at(-1) ?? 0;
    const partial = attr.int(node, 'rotary_embedding_dim', 0);
    const flat = x.shape.length === 3;
    const [batch, sequence, last] = [x.shape[0] ?? 1, x.shape.at(flat ? 1 : 2) ?? 1, x.shape.at(-1) ?? 1];
    const named = attr.int(node, 'num_heads', 0);
    // Without a count of heads the cache, which covers whole heads, tells their size.
    const heads = flat ? named || last / (2 * half) : (x.shape[1] ?? 1);
    const size = flat ? last / heads : last;
    const rotated = partial || size;
    if (half * 2 !== rotated)
      throw shapeMismatch(call, `a cache of ${half} angles does not fit ${rotated} rotated elements`);
    const interleaved = attr.int(node, 'interleaved', 0) === 1;
    const rowOf = (b: number, s: number): number => {
      if (positions === undefined) return b * sequence + s;
      return positions.data.length === 1 && sequence * batch !== 1
        ? (positions.data[0] as number) + s
        : (positions.data[b * sequence + s] as number);
    };
    const data = x.data.slice();
    for (let i = 0; i < sizeOf([batch, heads, sequence]); i++) {
      const [b, h, s] = [Math.floor(i / (heads * sequence)), Math.floor(i / sequence) % heads, i % sequence];
      const start = flat ? ((b * sequence + s) * heads + h) * size : i * size;
      for (let j = 0; j < half; j++) {
        const [one, two] = interleaved ? [start + 2 * j, start + 2 * j + 1] : [start + j, start + j + half];
        const at = rowOf(b, s) * half + j;
        const [c, n] = [cos.data[at], sin.data[at]];
        if (c === undefined || n === undefined)
          throw shapeMismatch(call, `position ${rowOf(b, s)} is outside the cache`);
        data[one] = (x.data[one] as number) * c - (x.data[two] as number) * n;
        data[two] = (x.data[one] as number) * n + (x.data[two] as number) * c;
      }
    }
    return { shape: x.shape, data };
  };
}

export const nn: Record<keyof typeof rules, Kernel> = {
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  BatchNormalization: batchNormalization,
  RotaryEmbedding: rotary({ cos: 1, sin: 2, positions: 3 }),
  'com.microsoft.RotaryEmbedding': rotary({ positions: 1, cos: 2, sin: 3 }),
};
