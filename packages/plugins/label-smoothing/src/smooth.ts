import type { Ops, Value } from '@anneal/graph';

/**
 * `(1 - ε)·y + ε/K·Σy` over the last axis, which has `K` classes. `Σy` is 1 where there is a target; at ignored
 * positions, whose targets are all 0, it keeps them 0.
 */
export function smooth(ops: Ops, targets: Value, epsilon: number, classes: number): Value {
  const mass = ops.sum(targets, { axes: [-1], keepdims: true });
  return ops.add(ops.mul(targets, 1 - epsilon), ops.mul(mass, epsilon / classes));
}
