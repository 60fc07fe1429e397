import { isFloat, type Node, type Ops, type TensorData, type Value } from '@anneal/graph';

import { traceGradients } from './gradient-graph.ts';
import type { StepProgram, StepSource } from './step-graph.ts';

/** Below every finite float32: minus infinity alone, which masks of attention may hold. */
const LOWEST = -3.4028234663852886e38;
/** Outputs of a diagnosis: vectors with an element per value, finite when all of its elements are. */
const RESULT = { values: 'finite_values', gradients: 'finite_gradients' } as const;

/** Forward and backward alone, and what their values are called, to find out where something is not finite. */
export interface Diagnosis extends StepProgram {
  /** What made each value of the forward pass, in order. */
  readonly values: readonly string[];
  /** Parameters in the order in which the forward pass uses them. */
  readonly parameters: readonly string[];
}

export function traceDiagnosis(source: StepSource, batchSize: number, length: number | undefined): Diagnosis {
  const traced = traceGradients(source, batchSize, length);
  const { g, forward, gradients, scalars, randoms } = traced;
  const { ops } = g;
  const made = forward.filter(({ outputs: [value] }) => value !== undefined && isFloat(value.dtype));
  const parameters = inUse(forward, traced.parameters);
  const flags = (values: readonly Value[]): Value => ops.concat(values.map(flag(ops)), { axis: 0 });
  const unmasked = ({ outputs }: Node): Value => {
    const value = ops.cast(outputs[0] as Value, 'float32');
    return ops.where(ops.less(value, LOWEST), 0, value);
  };
  g.output(RESULT.values, flags(made.map(unmasked)));
  g.output(RESULT.gradients, flags(parameters.map((name) => gradients.get(name) as Value)));
  return {
    graph: g.build({ name: `${source.stage}/diagnosis` }),
    updates: {},
    scalars,
    randoms,
    values: made.map(nameOf),
    parameters,
  };
}

/** `[1]`: zero when all elements are finite, else NaN. */
function flag(ops: Ops): (value: Value) => Value {
  return (value) => ops.reshape(ops.sum(ops.mul(value, 0)), [1]);
}

function nameOf({ op, scope }: Node): string {
  return scope === '' ? op : `${op} in ${scope}`;
}

function inUse(nodes: readonly Node[], parameters: ReadonlyMap<string, Value>): readonly string[] {
  const names = new Map([...parameters].map(([name, value]) => [value, name]));
  const used = nodes.flatMap(({ inputs }) => inputs.flatMap((value) => (value && names.get(value)) ?? []));
  return [...new Set([...used, ...parameters.keys()])];
}

/** What a diagnosis found, in words; `undefined` when everything is finite. */
export function describeDiagnosis(
  { values, parameters }: Diagnosis,
  result: Readonly<Record<string, TensorData>>,
): string | undefined {
  const broken = (names: readonly string[], output: string): readonly string[] =>
    names.filter((_, i) => !Number.isFinite(Number(result[output]?.data[i])));
  const [value] = broken(values, RESULT.values);
  const gradients = broken(parameters, RESULT.gradients);
  if (value === undefined && gradients.length === 0) return undefined;
  const forward =
    value === undefined ? 'the forward pass is finite' : `the first value that is not finite is of ${value}`;
  const backward =
    gradients.length === 0
      ? 'all gradients are finite'
      : `of ${parameters.length} gradients ${gradients.length} are not finite, the first that of "${gradients[0]}"`;
  return `${forward}; ${backward}`;
}
