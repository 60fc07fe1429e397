import type { OpKey } from '@anneal/graph';
import type { Step } from '../plan.ts';
import { activations } from './activations.ts';
import { axes } from './axes.ts';
import { einsum } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { isOnHost, onHost } from './host.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { norms } from './norms.ts';
import { quantized } from './quantized.ts';
import { reductions } from './reductions.ts';
import type { Rule } from './rule.ts';
import { spatial } from './spatial.ts';

/** What every operator is on TensorFlow.js. One that inference knows and that is missing here does not compile. */
export const RULES: Readonly<Record<OpKey, Rule>> = {
  ...elementwise,
  ...activations,
  ...reductions,
  ...axes,
  ...movement,
  ...indexing,
  ...norms,
  ...linear,
  ...quantized,
  ...spatial,
  Einsum: einsum,
  BitShift: onHost,
  BitwiseAnd: onHost,
  BitwiseNot: onHost,
  BitwiseOr: onHost,
  BitwiseXor: onHost,
  GRU: onHost,
  LSTM: onHost,
  NonZero: onHost,
  Resize: onHost,
  RNN: onHost,
  TopK: onHost,
};

/** The rule of a step; `undefined` for an operator that nothing is known of. */
export function ruleOf(step: Step): Rule | undefined {
  const { key } = step;
  if (isOnHost(key, step)) return onHost;
  return Object.hasOwn(RULES, key) ? RULES[key as OpKey] : undefined;
}
