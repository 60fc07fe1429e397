import {
  canonicalize,
  fromFloat16Bits,
  type Graph,
  isFloat,
  loadTensor,
  opKey,
  tensor,
  type TensorData,
  type Value,
} from '@anneal/graph';

import { WriteContext, type WriteRule } from './context.ts';
import { Emitter, type Ref, tfAttr, tfType } from './emitter.ts';
import { tfjsFiles, type TfjsFilesOptions, type TfjsModelJson } from './files.ts';
import { elementwise } from './rules/elementwise.ts';
import { layers } from './rules/layers.ts';
import { movement } from './rules/movement.ts';
import { spatial } from './rules/spatial.ts';

/** How each operator of a graph is written, by its key. */
export const WRITERS: Readonly<Record<string, WriteRule>> = { ...elementwise, ...movement, ...layers, ...spatial };

/**
 * Writes a graph as a graph model of TensorFlow.js: `model.json` and its weights, by file name. Inputs and outputs keep
 * their names; integers are of 32 bits, as everything in TensorFlow.js.
 *
 * @throws GraphError `ANNEAL_E_OP` for an operator that TensorFlow.js does not have; it names the module.
 */
export async function writeTfjs(graph: Graph, options: TfjsFilesOptions = {}): Promise<Map<string, Uint8Array>> {
  const { graph: canonical } = canonicalize(graph, { fuse: false });
  const data = new Map<Value, TensorData>();
  for (const [value, constant] of canonical.constants) data.set(value, plain(constant));
  for (const { value, data: source } of canonical.parameters.values()) data.set(value, plain(await loadTensor(source)));

  const e = new Emitter(data);
  const inputs: Record<string, unknown> = {};
  for (const [name, value] of canonical.inputs) {
    const ref = e.node('Placeholder', [], { dtype: tfAttr.type(value.dtype), shape: { shape: tfShape(value) } }, name);
    e.set(value, { first: ref });
    inputs[name] = port(ref, value);
  }
  for (const node of canonical.nodes) {
    const ctx = new WriteContext(e, node, data);
    const key = opKey(node.domain, node.op);
    const rule = Object.hasOwn(WRITERS, key) ? WRITERS[key] : undefined;
    if (rule === undefined) throw ctx.error('TensorFlow.js has nothing like it');
    rule(ctx);
    const missing = node.outputs.findIndex((value) => value !== undefined && !e.has(value));
    if (missing >= 0) throw ctx.error(`its output ${missing} is used`);
  }
  const outputs: Record<string, unknown> = {};
  const refs: Ref[] = [];
  for (const [name, value] of canonical.outputs) {
    // A node of its own, so that it has its name whatever gives it.
    const ref = e.node('Identity', [e.first(value)], { T: tfAttr.type(value.dtype) }, name);
    outputs[name] = port(ref, value);
    refs.push(ref);
  }
  return tfjsFiles({ ...neededBy(refs, e), inputs, outputs, metadata: graph.metadata }, options);
}

/** What TensorFlow.js has of a tensor: float32, int32 or bool. */
function plain({ dtype, shape, data }: TensorData): TensorData {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return { dtype, shape, data };
  if (dtype === 'float16' || dtype === 'bfloat16') {
    return tensor('float32', shape, fromFloat16Bits(data as Uint16Array, dtype));
  }
  return tensor(isFloat(dtype) ? 'float32' : 'int32', shape, Array.from(data, clamped));
}

/** Numbers of 64 bits that stand for "to the end" stay that. */
function clamped(value: number | bigint): number {
  const number = Number(value);
  return Number.isInteger(number) ? Math.min(Math.max(number, -(2 ** 31)), 2 ** 31 - 1) : number;
}

function tfShape({ shape }: Value): unknown {
  return { dim: shape.map((dim) => ({ size: typeof dim === 'number' ? String(dim) : '-1' })) };
}

function port(ref: Ref, value: Value): unknown {
  return { name: `${ref}:0`, dtype: tfType(value.dtype), tensorShape: tfShape(value) };
}

/** The nodes and weights that outputs need; inputs stay. */
function neededBy(outputs: readonly Ref[], e: Emitter): Pick<TfjsModelJson, 'nodes' | 'weights'> {
  const byName = new Map(e.nodes.map((node) => [node.name, node]));
  const needed = new Set<string>();
  const open = [...outputs];
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const name = ref.replace(/:\d+$/, '');
    if (needed.has(name)) continue;
    needed.add(name);
    open.push(...(byName.get(name)?.input ?? []));
  }
  return {
    nodes: e.nodes.filter(({ name, op }) => needed.has(name) || op === 'Placeholder'),
    weights: new Map([...e.weights].filter(([name]) => needed.has(name))),
  };
}
