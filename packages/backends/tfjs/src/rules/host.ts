import { attr, evaluate, type Graph, GraphError, type OpKey, type TensorData, Value } from '@anneal/graph';
import { heldAs, toDevice } from '../device/types.ts';
import type { Slot, Step } from '../plan.ts';
import type { Rule } from './rule.ts';

/**
 * Operators that the reference interpreter computes on the host: what they do is to integers bit by bit, has a size that
 * depends on the data, or is rare and has no kernel.
 */
export const HOST: ReadonlySet<OpKey> = new Set<OpKey>([
  'BitShift',
  'BitwiseAnd',
  'BitwiseNot',
  'BitwiseOr',
  'BitwiseXor',
  'NonZero',
  'Resize',
  'LSTM',
  'GRU',
  'RNN',
  'TopK',
]);

/** Forms of others that are rare and have no kernel. */
const HOST_FORMS: Partial<Record<OpKey, (node: Form) => boolean>> = {
  MaxPool: ({ outputs }) => outputs[1] !== undefined,
  ScatterElements: multiplies,
  ScatterND: multiplies,
};

type Form = Pick<Step, 'op' | 'attributes'> & { readonly outputs: readonly unknown[] };

function multiplies(node: Form): boolean {
  return !['none', 'add'].includes(attr.string(node, 'reduction', 'none'));
}

/** Whether the host computes a node. */
export function isOnHost(key: string, node: Form): boolean {
  return HOST.has(key as OpKey) || (Object.hasOwn(HOST_FORMS, key) && HOST_FORMS[key as OpKey]?.(node) === true);
}

function valueOf(name: string, slot: Slot): Value {
  return new Value(name, slot.dtype, slot.shape);
}

/** The node alone, as a graph. */
function graphOf(step: Step): Graph {
  const inputs = step.inputTypes.map((slot, i) => slot && valueOf(`x${i}`, slot));
  const outputs = step.outputTypes.map((slot, i) => slot && valueOf(`y${i}`, slot));
  const named = (values: readonly (Value | undefined)[]): [string, Value][] =>
    values.flatMap((value): [string, Value][] => (value ? [[value.name, value]] : []));
  const { op, domain, attributes, scope } = step;
  return {
    name: op,
    opsets: { [domain]: step.opset },
    inputs: new Map(named(inputs)),
    outputs: new Map(named(outputs)),
    nodes: [{ op, domain, attributes, scope, inputs, outputs }],
    parameters: new Map(),
    constants: new Map(),
    metadata: {},
  };
}

/** Reads all operands, computes, and brings the results back. */
export const onHost: Rule = (step) => {
  const graph = graphOf(step);
  return ({ k, host }) => {
    const feeds: Record<string, TensorData> = {};
    host.forEach((data, i) => {
      if (data) feeds[`x${i}`] = data;
    });
    const results = evaluate(graph, feeds);
    return step.outputTypes.flatMap((slot, i) => {
      if (slot === undefined) return [];
      const result = results[`y${i}`];
      const type = heldAs(slot.dtype);
      if (result === undefined || type === undefined)
        throw new GraphError('ANNEAL_E_OP', `${step.op}: output ${i} is lost`);
      return [k.write(toDevice(step.op, result).data, result.shape, type)];
    });
  };
};
