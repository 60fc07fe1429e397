import { attr, type Dim, type Shape } from '../ir.ts';
import { type InferRule, required, shapeError, type TensorType } from './types.ts';

/** `Y` with every step, then the last `states` of each direction; `layout: 1` puts the batch first. */
function recurrent(states: number): InferRule {
  return (ctx) => {
    const [x, r] = [required(ctx, 0), required(ctx, 2)];
    if (x.rank !== 3 || r.rank !== 3) throw shapeError(ctx, 'X and R must have three axes');
    const [directions, , hidden] = r.shape as [Dim, Dim, Dim];
    const [first, second] = x.shape as [Dim, Dim];
    const batchFirst = attr.int(ctx, 'layout', 0) === 1;
    const all: Shape = batchFirst ? [first, second, directions, hidden] : [first, directions, second, hidden];
    const last: Shape = batchFirst ? [first, directions, hidden] : [directions, second, hidden];
    const state: TensorType = { dtype: x.dtype, shape: last };
    return [{ dtype: x.dtype, shape: all }, ...Array.from({ length: states }, () => state)];
  };
}

export const recurrentOps: Record<'LSTM' | 'GRU' | 'RNN', InferRule> = {
  LSTM: recurrent(2),
  GRU: recurrent(1),
  RNN: recurrent(1),
};
