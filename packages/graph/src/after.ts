import type { Value } from './ir.ts';
import type { Ops } from './ops/types.ts';

/**
 * `x`, but not before `earlier` is known: graphs have no other way to say what comes first, and a runtime that computes
 * independent parts in turn keeps the intermediate results of all of them. Costs a pass over `x`; where `earlier` is not
 * finite, the result is not either.
 */
export function after(ops: Ops, x: Value, earlier: Value): Value {
  const first =
    earlier.rank === 0
      ? earlier
      : ops.reshape(ops.slice(ops.reshape(earlier, [-1]), [{ axis: 0, start: 0, end: 1 }]), []);
  return ops.add(x, ops.cast(ops.mul(first, 0), x.dtype));
}
