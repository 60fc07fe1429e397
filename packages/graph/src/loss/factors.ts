import type { Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';
import type { TrainedFactor } from './chunked.ts';

// d loss / d logits is `share · (p − onehot)`. The one-hot part of a product with it is a look-up, or its reverse.

/** The weight of an output layer, `[classes, features]` or the other way. */
export function weightFactor(ops: Ops, value: Value, classesFirst: boolean): TrainedFactor {
  return {
    value,
    ofProbabilities: (p, scaled) =>
      classesFirst
        ? ops.matmul(ops.cast(p, value.dtype), scaled, { transposeA: true })
        : ops.matmul(scaled, ops.cast(p, value.dtype), { transposeA: true }),
    withoutLabels: (sum, { ids, scaled }) => {
      const updates = ops.neg(classesFirst ? scaled : ops.transpose(scaled, [1, 0]));
      const at = ops.broadcastTo(ops.expandDims(ids, [classesFirst ? 1 : 0]), updates.dims);
      return ops.scatterAdd(sum, at, updates, { axis: classesFirst ? 0 : 1 });
    },
  };
}

/** A vector of all classes that is added to logits. */
export function biasFactor(ops: Ops, value: Value): TrainedFactor {
  return {
    value,
    ofProbabilities: (p, _, share) => ops.matmul(ops.cast(share, p.dtype), p, { transposeA: true }),
    withoutLabels: (sum, { ids, share }) => {
      const counts = ops.neg(ops.cast(ops.transpose(share, [1, 0]), sum.dtype));
      const rest = ops.scatterAdd(sum, ops.expandDims(ids, [0]), counts, { axis: 1 });
      return ops.cast(ops.reshape(rest, value.dims), value.dtype);
    },
  };
}
