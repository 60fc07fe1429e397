import type { GraphBuilder } from '../../builder.ts';
import { DEFAULT_OPSETS, type Graph, type Node, type Value } from '../../ir.ts';
import type { NodeRewriter } from '../../transform.ts';
import { arithmetic } from './arithmetic.ts';
import { type Changes, type Form, withAttributes } from './form.ts';
import { layers } from './layers.ts';
import { movement } from './movement.ts';

/** The operator set that inference, the interpreter and gradients are written for. */
export const CANONICAL_OPSET: number = DEFAULT_OPSETS[''] as number;

/**
 * Where the form of an operator of ai.onnx changed between versions 1 and 21: attributes that became inputs, defaults
 * that moved, operators that were renamed. Versions that only added element types or attributes are not here.
 */
const CHANGES: Changes = { ...arithmetic, ...movement, ...layers };

/** Hints of the first version about buffers to reuse. */
const CONSUMED = 'consumed_inputs';

/**
 * Appends an operator of `opset` in the form that it has in {@link CANONICAL_OPSET}.
 *
 * @throws GraphError `ANNEAL_E_OP` for the few things that the newer form cannot say.
 */
export function upgrade(form: Form, opset: number, g: GraphBuilder): Form | readonly (Value | undefined)[] {
  let current: Form = CONSUMED in form.attributes ? withAttributes(form, {}, CONSUMED) : form;
  // An operator that takes another name goes on with that operator's changes.
  for (let version = opset; ;) {
    const change = changesOf(current.op).find(({ since }) => since > version);
    if (change === undefined) return current;
    const next = change.apply(current, g);
    if (!('op' in next)) return next;
    current = next;
    version = change.since;
  }
}

function changesOf(op: string): Changes[string] {
  return Object.hasOwn(CHANGES, op) ? (CHANGES[op] as Changes[string]) : [];
}

/** Whether an operator may have another form than now. */
export function isOld(opset: number): boolean {
  return opset < CANONICAL_OPSET;
}

/** The operator sets of a graph whose nodes have been upgraded. */
export function upgradedOpsets(opsets: Graph['opsets']): Graph['opsets'] {
  return { ...opsets, '': Math.max(opsets[''] ?? 0, CANONICAL_OPSET) };
}

/** Rewrites nodes of an older operator set. */
export function opsetRewriter(opsets: Graph['opsets']): NodeRewriter {
  const opset = opsets[''] ?? CANONICAL_OPSET;
  return (node, inputs, g) => (isOld(opset) && node.domain === '' ? upgradeNode(node, inputs, opset, g) : undefined);
}

function upgradeNode(
  node: Node,
  inputs: readonly (Value | undefined)[],
  opset: number,
  g: GraphBuilder,
): readonly (Value | undefined)[] {
  const { op, attributes, scope, name, unknown } = node;
  const form: Form = { op, inputs, attributes, outputs: node.outputs.map((value) => value !== undefined) };
  const next = upgrade(form, opset, g);
  if (!('op' in next)) return next;
  return g.node(next.op, next.inputs, {
    attributes: next.attributes,
    outputs: next.outputs,
    names: node.outputs.map((value) => value?.name),
    scope,
    name,
    unknown,
    types: node.outputs.map((value) => ({ dtype: value?.dtype ?? 'float32', shape: value?.shape ?? [] })),
  });
}
