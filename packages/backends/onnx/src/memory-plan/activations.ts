import { DTYPES, type Graph, type Node, type Value } from '@anneal/graph';

import { Arena, type Chunk } from './arena.ts';
import { executionOrder } from './execution-order.ts';
import { ALIASES, IN_PLACE, SCRATCH } from './kernels.ts';
import { bytesOf } from './sizes.ts';

/** A block of the arena, which several values have one after the other. */
interface Buffer {
  readonly bytes: number;
  readonly key: string;
  /** Uses to come of all values that have it. */
  uses: number;
  chunk: Chunk | undefined;
}

/**
 * Bytes of the arena that one run of a static graph writes, and that then stay resident. The run is played: which results get a block of their own, which share one, and where the arena puts
 * them. Outputs in `placed` are written into buffers of the caller.
 *
 * Source: `PlannerImpl::ComputeSingleStreamReusePlan`, onnxruntime 1.30.
 */
export function activationsOf({ nodes, outputs }: Graph, placed: (output: string) => boolean): number {
  const order = executionOrder(nodes);
  const uses = new Map<Value, number>();
  const note = (value: Value, times = 1): void => void uses.set(value, (uses.get(value) ?? 0) + times);
  for (const node of nodes) {
    for (const value of node.inputs) if (value) note(value);
    for (const value of node.outputs) if (value) note(value);
  }
  const results = new Map<Value, boolean>();
  for (const [name, value] of outputs) {
    results.set(value, placed(name));
    // The caller's use, after the run.
    note(value);
  }
  const planned = plan(order, uses, results);
  return play(order, planned);
}

type Plan = ReadonlyMap<Value, Buffer>;

/** Which values share a buffer: the runtime decides this before it runs. */
function plan(order: readonly Node[], uses: ReadonlyMap<Value, number>, results: ReadonlyMap<Value, boolean>): Plan {
  const buffers = new Map<Value, Buffer>();
  const left = new Map<Buffer, number>();
  /** Buffers that are free by now, the latest last. */
  const spare = new Map<string, Buffer[]>();
  const give = (value: Value, buffer: Buffer): void => {
    const count = uses.get(value) ?? 0;
    buffers.set(value, buffer);
    buffer.uses += count;
    left.set(buffer, (left.get(buffer) ?? 0) + count);
  };
  const use = (value: Value | undefined): void => {
    const buffer = value && buffers.get(value);
    if (buffer === undefined) return;
    const count = (left.get(buffer) as number) - 1;
    left.set(buffer, count);
    if (count === 0) (spare.get(buffer.key) ?? setDefault(spare, buffer.key)).push(buffer);
  };
  for (const node of order) {
    for (const [i, value] of node.outputs.entries()) {
      if (value === undefined) continue;
      const key = keyOf(value);
      const placed = results.get(value);
      if (placed) continue;
      const source = placed === undefined && i === 0 ? node.inputs[0] : undefined;
      const aliased = source !== undefined && ALIASES.has(node.op);
      const before = source && buffers.get(source);
      // Another shape of what the caller or a file holds.
      if (aliased && before === undefined) continue;
      const over = before && IN_PLACE.has(node.op) && left.get(before) === 1 && before.key === key;
      const found =
        aliased || over ? before : placed === undefined && value.rank > 0 ? spare.get(key)?.pop() : undefined;
      give(value, found ?? { bytes: bytesOf(value), key, uses: 0, chunk: undefined });
    }
    for (const value of node.inputs) use(value);
    for (const value of node.outputs) use(value);
  }
  return buffers;
}

/** Places the buffers in an arena as the run goes. */
function play(order: readonly Node[], planned: Plan): number {
  const arena = new Arena();
  const held = new Set<Buffer>();
  const left = new Map<Buffer, number>();
  const use = (value: Value | undefined): void => {
    const buffer = value && planned.get(value);
    if (buffer === undefined) return;
    const count = (left.get(buffer) ?? buffer.uses) - 1;
    left.set(buffer, count);
    if (count === 0) arena.free(buffer.chunk);
  };
  for (const node of order) {
    for (const value of node.outputs) {
      const buffer = value && planned.get(value);
      if (buffer === undefined || held.has(buffer)) continue;
      held.add(buffer);
      buffer.chunk = arena.allocate(buffer.bytes);
    }
    const scratch = SCRATCH[node.op]?.(node);
    if (scratch) arena.free(arena.allocate(scratch));
    for (const value of node.inputs) use(value);
    for (const value of node.outputs) use(value);
  }
  return arena.touchedBytes;
}

function keyOf({ dtype, shape }: Value): string {
  return `${DTYPES[dtype].bits}[${shape}]`;
}

function setDefault<K, V>(map: Map<K, V[]>, key: K): V[] {
  const list: V[] = [];
  map.set(key, list);
  return list;
}
