import {
  type Attributes,
  type DType,
  type Graph,
  type Node,
  opKey,
  type Shape,
  type TensorData,
  type TensorSource,
  type Value,
} from '@anneal/graph';
import { hostInputs } from './rules/host-inputs.ts';

export interface Slot {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One node of a plan: plain data, because it may cross a thread. */
export interface Step {
  /** `opKey` of the operator. */
  readonly key: string;
  readonly op: string;
  readonly domain: string;
  /** Version of its operator set. */
  readonly opset: number;
  readonly attributes: Attributes;
  /** Module path, for errors. */
  readonly scope: string;
  /** Registers; `undefined` where there is none. */
  readonly inputs: readonly (number | undefined)[];
  readonly outputs: readonly (number | undefined)[];
  readonly inputTypes: readonly (Slot | undefined)[];
  readonly outputTypes: readonly (Slot | undefined)[];
  /** Operands that are constants. */
  readonly constants: readonly (TensorData | undefined)[];
  /** Operands that the host must read before the step: sizes and axes that are computed. */
  readonly reads: readonly number[];
  /** Registers that nobody reads afterwards. */
  readonly frees: readonly number[];
}

export interface PlannedOutput extends Slot {
  readonly name: string;
  readonly register: number;
  /** The entry of the state that it replaces. */
  readonly update: string | undefined;
}

/** A graph as a flat list of steps over numbered registers, each with its lifetime. */
export interface Plan {
  readonly registers: number;
  readonly feeds: readonly (Slot & { readonly name: string; readonly register: number })[];
  /** Inputs that the state feeds. */
  readonly entries: readonly { readonly name: string; readonly register: number }[];
  readonly constants: readonly { readonly register: number; readonly data: TensorData }[];
  /** Steps that depend on weights and constants alone come first, and run once. */
  readonly prologue: readonly Step[];
  readonly steps: readonly Step[];
  readonly outputs: readonly PlannedOutput[];
}

/** A plan with the weights that it needs: what places them decides where they come from. */
export interface PlannedGraph {
  readonly plan: Plan;
  readonly weights: readonly { readonly register: number; readonly name: string; readonly data: TensorSource }[];
}

/** Results with more bytes are computed in every run and not kept: weights would be there twice. */
const MAX_KEPT_BYTES = 2 ** 26;

/** Numbers the values of a graph and finds where each is read last. */
export function planOf(
  graph: Graph,
  inState: (name: string) => boolean,
  updates: Readonly<Record<string, string>>,
): PlannedGraph {
  const registers = new Map<Value, number>();
  const numbered = (value: Value): number => {
    const register = registers.get(value) ?? registers.size;
    registers.set(value, register);
    return register;
  };
  const feeds: Plan['feeds'][number][] = [];
  const entries: Plan['entries'][number][] = [];
  for (const [name, value] of graph.inputs) {
    const { dtype, shape } = value;
    if (inState(name)) entries.push({ name, register: numbered(value) });
    else feeds.push({ name, dtype, shape, register: numbered(value) });
  }
  const weights = [...graph.parameters].map(([name, { value, data }]) => ({ register: numbered(value), name, data }));
  const outputs = [...graph.outputs].map(([name, value]): PlannedOutput => {
    const { dtype, shape } = value;
    return {
      name,
      dtype,
      shape,
      register: numbered(value),
      update: Object.hasOwn(updates, name) ? updates[name] : undefined,
    };
  });
  const placed = new Set<Value>([...graph.outputs.values()].filter((value) => graph.constants.has(value)));
  const fixed = new Set<number>(weights.map(({ register }) => register));
  const prologue: Step[] = [];
  const steps: Step[] = [];
  for (const node of graph.nodes) {
    const step = stepOf(node, graph, numbered, placed);
    const depends = step.inputs.filter((register, i) => register !== undefined && step.constants[i] === undefined);
    if (depends.length > 0 && depends.every((register) => fixed.has(register as number)) && isSmall(step)) {
      for (const register of step.outputs) if (register !== undefined) fixed.add(register);
      prologue.push(step);
    } else steps.push(step);
  }
  const constants = [...placed].map((value) => ({
    register: numbered(value),
    data: graph.constants.get(value) as TensorData,
  }));
  const kept = new Set<number>([
    ...fixed,
    ...entries.map(({ register }) => register),
    ...constants.map(({ register }) => register),
    ...outputs.map(({ register }) => register),
  ]);
  return {
    plan: {
      registers: registers.size,
      feeds,
      entries,
      constants,
      prologue,
      steps: withLifetimes(steps, kept),
      outputs,
    },
    weights,
  };
}

function isSmall({ outputTypes }: Step): boolean {
  const bytes = outputTypes.map((slot) =>
    (slot?.shape ?? []).reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : Infinity), 4),
  );
  return bytes.every((size) => size <= MAX_KEPT_BYTES);
}

function stepOf(node: Node, graph: Graph, numbered: (value: Value) => number, placed: Set<Value>): Step {
  const key = opKey(node.domain, node.op);
  const onHost = hostInputs(node);
  const constants = node.inputs.map((value) => value && graph.constants.get(value));
  node.inputs.forEach((value, i) => {
    if (value && constants[i] && !onHost.includes(i)) placed.add(value);
  });
  const slot = (value: Value | undefined): Slot | undefined => value && { dtype: value.dtype, shape: value.shape };
  return {
    key,
    op: node.op,
    domain: node.domain,
    opset: graph.opsets[node.domain] ?? 1,
    attributes: node.attributes,
    scope: node.scope,
    inputs: node.inputs.map((value) => value && numbered(value)),
    outputs: node.outputs.map((value) => value && numbered(value)),
    inputTypes: node.inputs.map(slot),
    outputTypes: node.outputs.map(slot),
    constants: constants.map((data, i) => (onHost.includes(i) || isScalar(data) ? data : undefined)),
    reads: onHost.filter((i) => node.inputs[i] !== undefined && constants[i] === undefined),
    frees: [],
  };
}

/** Small enough for every step that has it to know. */
function isScalar(data: TensorData | undefined): boolean {
  return data !== undefined && data.data.length === 1;
}

function withLifetimes(steps: readonly Step[], kept: ReadonlySet<number>): Step[] {
  const seen = new Set<number>(kept);
  const last: number[][] = steps.map(() => []);
  for (let i = steps.length - 1; i >= 0; i--) {
    const { inputs, outputs } = steps[i] as Step;
    // A result that nobody reads ends where it is made.
    for (const register of [...inputs, ...outputs]) {
      if (register === undefined || seen.has(register)) continue;
      seen.add(register);
      last[i]?.push(register);
    }
  }
  return steps.map((step, i) => ({ ...step, frees: last[i] ?? [] }));
}
