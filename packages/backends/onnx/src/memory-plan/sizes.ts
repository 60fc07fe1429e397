import { byteLengthOf, type Value } from '@anneal/graph';

/** Sizes that depend on the values of others, as that of `NonZero`, are not known before the run; they are small. */
export function bytesOf({ dtype, shape }: Pick<Value, 'dtype' | 'shape'>): number {
  return shape.every((dim) => typeof dim === 'number') ? byteLengthOf(dtype, shape as readonly number[]) : 0;
}
