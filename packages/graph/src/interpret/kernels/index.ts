import { type OpKey, opKey } from '../../infer/index.ts';
import type { Kernel } from '../kernel.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { products } from './linear.ts';
import { movements } from './movement.ts';
import { nn } from './nn.ts';
import { quantization } from './quantize.ts';
import { pooling } from './pool.ts';
import { reductions } from './reduce.ts';
import { convolutions } from './conv.ts';
import { resampling } from './resample.ts';
import { einsum } from './einsum.ts';

/** Operators with an inference rule that the interpreter leaves out. */
type NotInterpreted = 'LSTM' | 'GRU' | 'RNN';

/** Why they are left out. */
export const NOT_INTERPRETED: Readonly<Record<NotInterpreted, string>> = {
  LSTM: 'recurrent layers are run by backends only',
  GRU: 'recurrent layers are run by backends only',
  RNN: 'recurrent layers are run by backends only',
};

/** One kernel for every other operator with an inference rule: a missing one does not compile. */
export const KERNELS: Readonly<Record<Exclude<OpKey, NotInterpreted>, Kernel>> = {
  ...elementwise,
  ...reductions,
  ...products,
  ...quantization,
  ...movements,
  ...indexing,
  ...nn,
  ...convolutions,
  ...pooling,
  ...resampling,
  Einsum: einsum,
};

/** The kernel of an operator. */
export function kernelOf(domain: string, op: string): Kernel | undefined {
  const key = opKey(domain, op);
  return Object.hasOwn(KERNELS, key) ? KERNELS[key as Exclude<OpKey, NotInterpreted>] : undefined;
}
