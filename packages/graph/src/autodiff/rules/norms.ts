import { attr, type Value } from '../../ir.ts';
import type { Ops } from '../../ops/types.ts';
import { axisAttribute, like, range } from '../shapes.ts';
import { once, type VjpContext, type VjpRule } from '../types.ts';
import { unary } from './elementwise.ts';

const softmax: VjpRule = unary((c, dy, _, y) => {
  const { ops } = c;
  const axes = [axisAttribute(c, -1)];
  const along = ops.sum(ops.mul(dy, y), { axes, keepdims: true });
  return ops.mul(y, ops.sub(dy, along));
});

const logSoftmax: VjpRule = unary((c, dy, _, y) => {
  const { ops } = c;
  const total = ops.sum(dy, { axes: [axisAttribute(c, -1)], keepdims: true });
  return ops.sub(dy, ops.mul(ops.exp(y), total));
});

/** What the backward pass of a normalisation needs of the forward one. */
interface Statistics {
  readonly axes: readonly number[];
  /** The input, centred when the operator centres, divided by its deviation. */
  readonly unit: Value;
  /** One over the deviation. */
  readonly rstd: Value;
  /** Whether the mean was subtracted. */
  readonly centred: boolean;
}

/** `r·(g − mean(g) − x̂·mean(g·x̂))`: the gradient of the input from that of the normalised value. */
function normalizedGradient(ops: Ops, grad: Value, { axes, unit, rstd, centred }: Statistics): Value {
  const reduce = (v: Value): Value => ops.mean(v, { axes, keepdims: true });
  let out = ops.sub(grad, ops.mul(unit, reduce(ops.mul(grad, unit))));
  if (centred) out = ops.sub(out, reduce(grad));
  return ops.mul(out, rstd);
}

function measure(ops: Ops, x: Value, axes: readonly number[], epsilon: number, centred: boolean): Statistics {
  const reduce = (v: Value): Value => ops.mean(v, { axes, keepdims: true });
  const centre = centred ? ops.sub(x, reduce(x)) : x;
  const variance = reduce(ops.mul(centre, centre));
  const rstd = ops.reciprocal(ops.sqrt(ops.add(variance, epsilon)));
  return { axes, unit: ops.mul(centre, rstd), rstd, centred };
}

/**
 * Statistics of LayerNormalization (mean and inverse deviation are its outputs 1 and 2) or
 * SimplifiedLayerNormalization (output 1), which cost nothing; recomputed where those would be less exact than `x`.
 */
function statistics(c: VjpContext, outputs: { mean?: number; rstd?: number }): Statistics {
  const { ops } = c;
  const x = c.x(0);
  const axes = range(axisAttribute(c, -1), x.rank);
  const centred = outputs.mean !== undefined;
  if (outputs.rstd === undefined || x.dtype === 'float64') {
    return measure(ops, x, axes, attr.float(c, 'epsilon', 1e-5), centred);
  }
  const rstd = ops.cast(c.y(outputs.rstd), x.dtype);
  const centre = outputs.mean === undefined ? x : ops.sub(x, ops.cast(c.y(outputs.mean), x.dtype));
  return { axes, unit: ops.mul(centre, rstd), rstd, centred };
}

/** `unit · scale + bias`. */
function affine(c: VjpContext, stats: () => Statistics): ReturnType<VjpRule> {
  const { ops, dy } = c;
  return [
    () => normalizedGradient(ops, ops.mul(dy, c.x(1)), stats()),
    () => like(ops, ops.mul(dy, stats().unit), c.x(1)),
    () => like(ops, dy, c.x(2)),
  ];
}

const layerNorm: VjpRule = (c) =>
  affine(
    c,
    once(() => statistics(c, { mean: 1, rstd: 2 })),
  );
const simplifiedLayerNorm: VjpRule = (c) =>
  affine(
    c,
    once(() => statistics(c, { rstd: 1 })),
  );
const rmsNorm: VjpRule = (c) =>
  affine(
    c,
    once(() => statistics(c, {})),
  );

/** A vector over channels, axis 1 of `rank` axes. */
function perChannel(ops: Ops, v: Value, rank: number): Value {
  return ops.reshape(v, [v.dims[0] as number, ...range(2, rank).map(() => 1)]);
}

const instanceNorm: VjpRule = (c) => {
  const { ops, dy } = c;
  const x = c.x(0);
  const stats = once(() => measure(ops, x, range(2, x.rank), attr.float(c, 'epsilon', 1e-5), true));
  const others = range(0, x.rank).filter((axis) => axis !== 1);
  return [
    () => normalizedGradient(ops, ops.mul(dy, perChannel(ops, c.x(1), x.rank)), stats()),
    () => ops.sum(ops.mul(dy, stats().unit), { axes: others }),
    () => ops.sum(dy, { axes: others }),
  ];
};

/** Channels in groups that are normalised together; scale and bias per channel. */
const groupNorm: VjpRule = (c) => {
  const { ops, dy } = c;
  const x = c.x(0);
  const groups = attr.int(c, 'num_groups', 1);
  const grouped = [x.dims[0] as number, groups, -1];
  const stats = once(() => measure(ops, ops.reshape(x, grouped), [2], attr.float(c, 'epsilon', 1e-5), true));
  const others = range(0, x.rank).filter((axis) => axis !== 1);
  return [
    () => {
      const scaled = ops.mul(dy, perChannel(ops, c.x(1), x.rank));
      return ops.reshape(normalizedGradient(ops, ops.reshape(scaled, grouped), stats()), x.dims);
    },
    () => ops.sum(ops.mul(dy, ops.reshape(stats().unit, x.dims)), { axes: others }),
    () => ops.sum(dy, { axes: others }),
  ];
};

/** With the running statistics as constants, as in inference: fine-tuning keeps them frozen. */
const batchNorm: VjpRule = (c) => {
  if (attr.int(c, 'training_mode', 0) === 1) return [];
  const { ops, dy } = c;
  const x = c.x(0);
  const others = range(0, x.rank).filter((axis) => axis !== 1);
  const rstd = once(() => ops.reciprocal(ops.sqrt(ops.add(c.x(4), attr.float(c, 'epsilon', 1e-5)))));
  return [
    () => ops.mul(dy, perChannel(ops, ops.mul(c.x(1), rstd()), x.rank)),
    () => {
      const centre = ops.sub(x, perChannel(ops, c.x(3), x.rank));
      return ops.mul(ops.sum(ops.mul(dy, centre), { axes: others }), rstd());
    },
    () => ops.sum(dy, { axes: others }),
  ];
};

/** `x / |x|` along one axis; a zero vector stays zero and passes nothing on. */
const lpNormalization: VjpRule = unary((c, dy, x, y) => {
  const { ops } = c;
  const axes = [axisAttribute(c, -1)];
  const one = attr.int(c, 'p', 2) === 1;
  const norm = one ? ops.sum(ops.abs(x), { axes, keepdims: true }) : ops.norm(x, { axes, keepdims: true });
  const along = ops.sum(ops.mul(dy, y), { axes, keepdims: true });
  const out = ops.sub(dy, ops.mul(one ? ops.sign(x) : y, along));
  return ops.where(ops.equal(norm, 0), 0, ops.div(out, norm));
});

/** `(x − mean) / (deviation + 1e-9)`, the epsilon outside the root as the operator has it. */
const meanVarianceNormalization: VjpRule = unary((c, dy, x, y) => {
  const { ops } = c;
  const axes = attr.ints(c, 'axes') ?? [0, 2, 3];
  const reduce = (v: Value): Value => ops.mean(v, { axes, keepdims: true });
  const centre = ops.sub(x, reduce(x));
  const deviation = ops.sqrt(reduce(ops.mul(centre, centre)));
  const direct = ops.div(ops.sub(dy, reduce(dy)), ops.add(deviation, 1e-9));
  return ops.sub(direct, ops.mul(y, ops.div(reduce(ops.mul(dy, y)), deviation)));
});

export const normRules: Record<
  | 'BatchNormalization'
  | 'GroupNormalization'
  | 'InstanceNormalization'
  | 'LayerNormalization'
  | 'LogSoftmax'
  | 'LpNormalization'
  | 'MeanVarianceNormalization'
  | 'RMSNormalization'
  | 'SimplifiedLayerNormalization'
  | 'Softmax',
  VjpRule
> = {
  BatchNormalization: batchNorm,
  GroupNormalization: groupNorm,
  InstanceNormalization: instanceNorm,
  LayerNormalization: layerNorm,
  LogSoftmax: logSoftmax,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  RMSNormalization: rmsNorm,
  SimplifiedLayerNormalization: simplifiedLayerNorm,
  Softmax: softmax,
};
