import { opKey, type OpKey } from '../../infer/index.ts';
import type { Node } from '../../ir.ts';
import type { StopOp } from '../stop.ts';
import type { VjpRule } from '../types.ts';
import { activationRules } from './activations.ts';
import { elementwiseRules } from './elementwise.ts';
import { indexingRules } from './indexing.ts';
import { linearRules } from './linear.ts';
import { movementRules } from './movement.ts';
import { normRules } from './norms.ts';
import { quantizedRules } from './quantized.ts';
import { reduceRules } from './reduce.ts';
import { spatialRules } from './spatial.ts';
import { transformerRules } from './transformer.ts';

/** Every operator with a type rule is either differentiable or has a reason in the stop list: the types check it. */
export type DifferentiableOp = Exclude<OpKey, StopOp>;

/** Gradient rules, one per operator. */
export const VJP: Readonly<Record<DifferentiableOp, VjpRule>> = {
  ...elementwiseRules,
  ...activationRules,
  ...reduceRules,
  ...linearRules,
  ...quantizedRules,
  ...normRules,
  ...movementRules,
  ...indexingRules,
  ...transformerRules,
  ...spatialRules,
};

export function ruleOf(node: Node): VjpRule | undefined {
  const key = opKey(node.domain, node.op);
  return Object.hasOwn(VJP, key) ? VJP[key as DifferentiableOp] : undefined;
}
