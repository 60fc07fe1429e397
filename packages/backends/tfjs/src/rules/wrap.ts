import { DTYPES, type DType } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { add, integers, mul, sub } from './calc.ts';

/** Integers that a device holds in more bits than they have, cut down to those: as in C, they wrap around. */
export function wrapped(k: Kernels, x: Tensor, dtype: DType): Tensor {
  const { bits, kind } = DTYPES[dtype];
  if (bits >= 32 || (kind !== 'int' && kind !== 'uint')) return x;
  const range = 2 ** bits;
  const low = kind === 'int' ? range / 2 : 0;
  // x - range · floor((x + low) / range)
  const shifted = low === 0 ? x : add(k, x, low);
  const times = integers(k, 'FloorDiv', shifted, k.scalar(range, 'int32'), (a, b) => Math.floor(a / b));
  return sub(k, x, mul(k, times, range));
}
