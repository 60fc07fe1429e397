import type { TensorType } from '../../infer/index.ts';
import { attr, type Attributes, type Dim, type Graph, type Shape, type Value } from '../../ir.ts';

/** A node that runs graphs, before it is a node. */
export interface Control {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  /** Without the graphs. */
  readonly attributes: Attributes;
}

const ITERATION: readonly TensorType[] = [
  { dtype: 'int64', shape: [] },
  { dtype: 'bool', shape: [] },
];

const typeOf = (value: Value | undefined): TensorType | undefined =>
  value && { dtype: value.dtype, shape: value.shape };

/** How many inputs of a Scan are states that go from step to step; the others are taken apart along an axis. */
const statesOf = (control: Control): number => control.inputs.length - attr.int(control, 'num_scan_inputs', 0);

function axisFor(control: Control, list: string, index: number, rank: number): number {
  const axis = attr.ints(control, list)?.[index] ?? 0;
  return axis < 0 ? axis + rank : axis;
}

/** The type of an input of the inner graph, where the file does not give it. */
const BODY_INPUT: Readonly<Record<string, (control: Control, index: number) => TensorType | undefined>> = {
  Loop: ({ inputs }, index) => ITERATION[index] ?? typeOf(inputs[index]),
  Scan: (control, index) => {
    const [value, states] = [control.inputs[index], statesOf(control)];
    if (value === undefined || index < states) return typeOf(value);
    const axis = axisFor(control, 'scan_input_axes', index - states, value.rank);
    return { dtype: value.dtype, shape: value.shape.filter((_, i) => i !== axis) };
  },
};

export function bodyInputType(control: Control, index: number): TensorType | undefined {
  return BODY_INPUT[control.op]?.(control, index);
}

/** The common type of what a value is at different times; `undefined` when there is none. */
function joined(a: TensorType, b: TensorType, fresh: () => string): TensorType | undefined {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return undefined;
  return { dtype: a.dtype, shape: a.shape.map((dim, i) => (dim === b.shape[i] ? dim : fresh())) };
}

const withAxis = (shape: Shape, axis: number, dim: Dim): Shape => [...shape.slice(0, axis), dim, ...shape.slice(axis)];

type OutputType = (
  control: Control,
  bodies: readonly Graph[],
  index: number,
  fresh: () => string,
) => TensorType | undefined;

const OUTPUT: Readonly<Record<string, OutputType>> = {
  If: (_control, bodies, index, fresh) => {
    const [a, b] = bodies.map(({ outputs }) => typeOf([...outputs.values()][index]));
    return a && b && joined(a, b, fresh);
  },
  // Inner outputs: the condition, what goes from step to step, and one element of each list.
  Loop: ({ inputs }, [body], index, fresh) => {
    const end = typeOf([...(body?.outputs.values() ?? [])][index + 1]);
    const start = typeOf(inputs[index + 2]);
    if (end === undefined || start) return end && start && joined(start, end, fresh);
    return { dtype: end.dtype, shape: [fresh(), ...end.shape] };
  },
  Scan: (control, [body], index, fresh) => {
    const end = typeOf([...(body?.outputs.values() ?? [])][index]);
    const states = statesOf(control);
    const [start, list] = [typeOf(control.inputs[index]), control.inputs[states]];
    if (end === undefined || index < states) return end && start && joined(start, end, fresh);
    const length = list?.shape[axisFor(control, 'scan_input_axes', 0, list.rank)];
    const axis = axisFor(control, 'scan_output_axes', index - states, end.shape.length + 1);
    return { dtype: end.dtype, shape: withAxis(end.shape, axis, length ?? fresh()) };
  },
};

/** The type of an output, where the file does not give it. */
export function controlOutputType(
  control: Control,
  bodies: readonly Graph[],
  index: number,
  fresh: () => string,
): TensorType | undefined {
  const type = OUTPUT[control.op]?.(control, bodies, index, fresh);
  // A size that the inner graph made up has no meaning outside.
  return type && { dtype: type.dtype, shape: type.shape.map((dim) => (typeof dim === 'number' ? dim : fresh())) };
}
