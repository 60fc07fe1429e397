import { canonicalize, type CompileOptions, type Graph, GraphError, simplify, type Value } from '@anneal/graph';
import { placedAs, heldAs } from './device/types.ts';
import type { Step } from './plan.ts';
import { ruleOf } from './rules/index.ts';

/**
 * The graph that plans are made of: sizes bound, shape arithmetic computed, fused operators taken apart. A training step
 * comes in that form, and needs to be made smaller only.
 */
export function lower(graph: Graph, dims: Readonly<Record<string, number>>, purpose: CompileOptions['purpose']): Graph {
  if (purpose === 'training' && Object.keys(dims).length === 0) return simplify(graph);
  return canonicalize(graph, { dims, integers: 'keep' }).graph;
}

/** Operators that read weights of types that are not computed with: conversions. */
const READERS: ReadonlySet<string> = new Set(['Cast', 'DequantizeLinear', 'com.microsoft.MatMulNBits']);

/**
 * @throws GraphError `ANNEAL_E_BACKEND` for an operator that there is no rule for, `ANNEAL_E_DTYPE` for an element type
 * that the device does not have; both name the operator and its module.
 */
export function checkSteps(label: string, steps: readonly Step[], isPlaced: (register: number) => boolean): void {
  for (const step of steps) {
    const where = step.scope === '' ? '' : ` in ${step.scope}`;
    const at = { program: label, op: step.op, ...(step.scope !== '' && { module: step.scope }) };
    if (ruleOf(step) === undefined) {
      throw new GraphError(
        'ANNEAL_E_BACKEND',
        `cannot compile "${label}"${where}: there is no ${step.key} on TensorFlow.js`,
        {
          fix: 'use the backend `onnx`, or compose it of other operators',
          at,
        },
      );
    }
    const isRead = (i: number): boolean => {
      const register = step.inputs[i];
      return (
        READERS.has(step.key) && (step.constants[i] !== undefined || (register !== undefined && isPlaced(register)))
      );
    };
    step.inputTypes.forEach((slot, i) => {
      if (slot === undefined || heldAs(slot.dtype) !== undefined) return;
      if (!(isRead(i) && placedAs(slot.dtype) !== undefined)) throw noType(label, where, step, slot.dtype, at);
    });
    for (const slot of step.outputTypes) {
      if (slot !== undefined && heldAs(slot.dtype) === undefined) throw noType(label, where, step, slot.dtype, at);
    }
  }
}

function noType(
  label: string,
  where: string,
  { op }: Step,
  dtype: Value['dtype'],
  at: Readonly<Record<string, string>>,
): GraphError {
  return new GraphError(
    'ANNEAL_E_DTYPE',
    `cannot compile "${label}"${where}: ${op} of ${dtype}, which TensorFlow.js does not have`,
    {
      fix: 'cast to float32 or int32 before it, or use the backend `onnx`',
      at,
    },
  );
}
