import { isComposite } from './composites.ts';
import { elementwise } from './elementwise.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { nn } from './nn.ts';
import { recurrentOps } from './recurrent.ts';
import { reductions } from './reduce.ts';
import { spatial } from './spatial.ts';
import type { InferRule } from './types.ts';

export type { InferContext, InferRule, TensorType } from './types.ts';
export { broadcastShapes, opKey } from './types.ts';

/** Every operator whose output types are known, by key (`opKey`). */
export type OpKey =
  | keyof typeof elementwise
  | keyof typeof reductions
  | keyof typeof linear
  | keyof typeof movement
  | keyof typeof nn
  | keyof typeof recurrentOps
  | keyof typeof spatial;

/** Shape and dtype rules, one per operator. */
export const INFER: Readonly<Record<OpKey, InferRule>> = {
  ...elementwise,
  ...reductions,
  ...linear,
  ...movement,
  ...nn,
  ...recurrentOps,
  ...spatial,
};

/** Whether the outputs of an operator are typed from its inputs. */
export function isTyped(key: string): boolean {
  return Object.hasOwn(INFER, key) || isComposite(key);
}

/** The rule that gives an operator's outputs their types; `undefined` for operators that are not known. */
export function inferRule(key: string): InferRule | undefined {
  return Object.hasOwn(INFER, key) ? INFER[key as OpKey] : undefined;
}
