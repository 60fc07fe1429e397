import type { OpRule } from '../context.ts';
import { elementwiseRules } from './elementwise.ts';
import { layerRules } from './layers.ts';
import { movementRules } from './movement.ts';
import { sliceRules } from './slices.ts';
import { textRules } from './text.ts';

export { ofText } from './text.ts';

/** How each operator of TensorFlow is computed, by name. */
export const OPERATORS: Readonly<Record<string, OpRule>> = {
  ...elementwiseRules,
  ...movementRules,
  ...sliceRules,
  ...layerRules,
  ...textRules,
};

/** Operators whose results are about text whatever their inputs are. */
export function isAboutText(op: string): boolean {
  return Object.hasOwn(textRules, op);
}
