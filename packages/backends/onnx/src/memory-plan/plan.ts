import {
  attr,
  type Graph,
  type MemoryPlan,
  type Node,
  type PlannedProgram,
  type TensorSource,
  type TensorSpec,
  type Value,
} from '@anneal/graph';

import { overwritable } from '../overwrite.ts';
import { activationsOf } from './activations.ts';
import { bytesOf } from './sizes.ts';

/** Pages of the runtime's library, and what it sets up, that the first session touches: measured on Linux x64. */
const RUNTIME_BYTES = 30 * 2 ** 20;
/** What a session keeps for a node, its kernel and the file it was read from: measured over 250 to 6,500 nodes. */
const NODE_BYTES = 5 * 2 ** 10;

export interface PlanOptions {
  /** Results go into buffers of the caller, see `MUTE`. */
  readonly mutes: boolean;
}

/** What lowered programs of one state take together. */
export function planMemory(
  programs: readonly PlannedProgram[],
  state: Readonly<Record<string, TensorSpec>>,
  { mutes }: PlanOptions,
): MemoryPlan {
  const weights = new Map<TensorSource, number>();
  let [packed, activations, rest] = [0, 0, RUNTIME_BYTES];
  for (const { graph, updates, purpose } of programs) {
    const lookedUp = rowsOf(graph);
    for (const { data, value } of graph.parameters.values()) {
      weights.set(data, Math.max(weights.get(data) ?? 0, lookedUp.get(value) ?? bytesOf(data)));
    }
    // Training sessions do not pack weights; others do so once per product.
    if (purpose !== 'training') packed += packedBytes(graph);
    const { running, folded } = fold(graph);
    const muted = mutes && Object.keys(updates ?? {}).length > 0;
    activations += activationsOf({ ...graph, nodes: running }, () => muted);
    rest += folded + running.length * NODE_BYTES + edgeBytes(graph, updates ?? {}, state);
  }
  return {
    weights: sum(weights.values()) + packed,
    state: sum(Object.values(state).map(bytesOf)) + secondCopies(programs, state),
    activations,
    programs: rest,
  };
}

/** Nodes that depend on nothing but weights run once, when the session is made; their results stay. */
function fold({ nodes, parameters, constants, outputs }: Graph): { running: readonly Node[]; folded: number } {
  const fixed = new Set<Value>([...constants.keys(), ...[...parameters.values()].map(({ value }) => value)]);
  const isFixed = (value: Value | undefined): boolean => value === undefined || fixed.has(value);
  const made = new Set<Value>();
  const running = nodes.filter((node) => {
    if (node.inputs.length === 0 || !node.inputs.every(isFixed)) return true;
    for (const value of node.outputs) {
      if (value === undefined) continue;
      fixed.add(value);
      made.add(value);
    }
    return false;
  });
  const needed = new Set<Value | undefined>([...running.flatMap(({ inputs }) => inputs), ...outputs.values()]);
  const kept = [...made, ...constants.keys()].filter((value) => needed.has(value));
  return { running, folded: sum(kept.map(bytesOf)) };
}

/** What a mapped file has in memory in pieces. */
const PAGE_BYTES = 4096;

/** Bytes of the pages that look-ups touch, of the tables that nothing else reads: a mapped file is read where it is used. */
function rowsOf({ nodes }: Graph): ReadonlyMap<Value, number> {
  const touched = new Map<Value, number>();
  const whole = new Set<Value>();
  for (const node of nodes) {
    const { op, domain, inputs, outputs } = node;
    const isLookUp = op === 'Gather' && domain === '' && attr.int(node, 'axis', 0) === 0;
    inputs.forEach((value, i) => {
      if (value === undefined) return;
      const [output] = outputs;
      if (!isLookUp || i > 0 || value.rank !== 2 || output === undefined) return whole.add(value);
      const row = bytesOf({ dtype: value.dtype, shape: value.shape.slice(1) });
      const rows = row === 0 ? 0 : bytesOf(output) / row;
      const pages = rows * (Math.ceil(row / PAGE_BYTES) + 1) * PAGE_BYTES;
      return touched.set(value, Math.min(bytesOf(value), (touched.get(value) ?? 0) + pages));
    });
  }
  for (const value of whole) touched.delete(value);
  return touched;
}

/** What is fed and returned: once here and once in the worker. */
function edgeBytes(graph: Graph, updates: object, state: object): number {
  const fed = [...graph.inputs].filter(([name]) => !Object.hasOwn(state, name));
  const returned = [...graph.outputs].filter(([name]) => !Object.hasOwn(updates, name));
  return 2 * sum([...fed, ...returned].map(([, value]) => bytesOf(value)));
}

/** Constant right factors, which an inference session lays out anew for its kernels. */
function packedBytes({ nodes, parameters }: Graph): number {
  const weights = new Set<Value | undefined>([...parameters.values()].map(({ value }) => value));
  const factors = nodes.filter(({ op }) => op === 'MatMul' || op === 'Gemm').map(({ inputs }) => inputs[1]);
  return sum(factors.filter((value) => weights.has(value)).map((value) => bytesOf(value as Value)));
}

/** Updates are written beside the old value; buffers of one shape serve every program, and later every entry. */
function secondCopies(programs: readonly PlannedProgram[], state: Readonly<Record<string, TensorSpec>>): number {
  const most = new Map<string, { count: number; bytes: number }>();
  for (const { graph, updates = {}, inPlace = false } of programs) {
    const counts = new Map<string, number>();
    const overwritten = inPlace ? overwritable(graph, updates) : new Set<string>();
    for (const [output, entry] of Object.entries(updates)) {
      const spec = state[entry];
      if (spec === undefined || overwritten.has(output)) continue;
      const key = `${spec.dtype}[${spec.shape}]`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      if (count > (most.get(key)?.count ?? 0)) most.set(key, { count, bytes: bytesOf(spec) });
    }
  }
  return sum([...most.values()].map(({ count, bytes }) => count * bytes));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
