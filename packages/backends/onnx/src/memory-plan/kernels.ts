import type { Node } from '@anneal/graph';
import { bytesOf } from './sizes.ts';

/** Operators whose output is their first input under another shape. */
export const ALIASES: ReadonlySet<string> = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

/**
 * Operators of the CPU provider that write over their first input when nothing else needs it. Arithmetic on two tensors
 * is not among them. Measured, but for the rarer activations: a chain of four takes one buffer, or two.
 */
export const IN_PLACE: ReadonlySet<string> = new Set([
  'Cast',
  'Clip',
  'Elu',
  'HardSigmoid',
  'LeakyRelu',
  'LogSoftmax',
  'Relu',
  'ScatterElements',
  'Selu',
  'Sigmoid',
  'Softmax',
  'Softplus',
  'Softsign',
  'Tanh',
  'ThresholdedRelu',
  'Trilu',
]);

/** Bytes that a kernel takes for itself while it runs, besides its outputs. */
export const SCRATCH: Readonly<Record<string, (node: Node) => number>> = {
  // Both branches are spread out to the output's shape, zero where the other one counts, and then put together.
  Where: ({ outputs: [out] }) => (out ? 2 * bytesOf(out) : 0),
};
