import { type OpKey, opKey } from '../../infer/index.ts';
import type { Kernel } from '../kernel.ts';
import { convolutions } from './conv.ts';
import { einsum } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { products } from './linear.ts';
import { movements } from './movement.ts';
import { nn } from './nn.ts';
import { pooling } from './pool.ts';
import { quantization } from './quantize.ts';
import { recurrentKernels } from './recurrent.ts';
import { reductions } from './reduce.ts';
import { resampling } from './resample.ts';

/** Operators with an inference rule that the interpreter leaves out; there are none. */
type NotInterpreted = never;

/** Why they are left out. */
export const NOT_INTERPRETED: Readonly<Record<NotInterpreted, string>> = {};

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
  ...recurrentKernels,
  Einsum: einsum,
};

/** The kernel of an operator. */
export function kernelOf(domain: string, op: string): Kernel | undefined {
  const key = opKey(domain, op);
  return Object.hasOwn(KERNELS, key) ? KERNELS[key as Exclude<OpKey, NotInterpreted>] : undefined;
}
