import type { GraphBuilder } from '../builder.ts';
import { DTYPES } from '../dtype.ts';
import { type InferContext, inferRule, type OpKey, opKey, type TensorType } from '../infer/index.ts';
import { load, store } from '../interpret/array.ts';
import { evaluateNode } from '../interpret/evaluate.ts';
import { type Graph, type Node, Value } from '../ir.ts';
import { sizeOf, type TensorData } from '../tensor.ts';
import { type NodeRewriter, rewrite } from '../transform.ts';

/** How far {@link foldConstants} goes. */
export interface FoldOptions {
  /** Results with more elements stay computed at run time. @defaultValue `4096` */
  readonly maxElements?: number | undefined;
}

const MAX_ELEMENTS = 4096;

/** Constants with more elements are not read. */
const MAX_INPUT_ELEMENTS = 2 ** 20;

/**
 * Operators that stay: those whose cost their inputs and outputs do not bound (a crafted file must not keep us busy),
 * and `Dropout`, which training gives a meaning.
 */
const STAYING: ReadonlySet<string> = new Set<OpKey>([
  'Conv',
  'ConvTranspose',
  'Dropout',
  'Einsum',
  'GRU',
  'LSTM',
  'RNN',
  'Resize',
]);

/** Operators that move integers and never compute with them: these are right beyond 2^53 too, as `INT64_MAX` often is. */
const MOVING: ReadonlySet<string> = new Set<OpKey>([
  'Cast',
  'Concat',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'Max',
  'Min',
  'Reshape',
  'ScatterElements',
  'ScatterND',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
  'Where',
]);

/** Ends of the 64-bit range, which stand for "up to the end". */
const ENDS: ReadonlySet<bigint> = new Set([2n ** 63n - 1n, -(2n ** 63n)]);

/** Whether the interpreter's doubles hold the integers exactly. */
function isExact({ dtype, data }: TensorData, moves: boolean): boolean {
  if (DTYPES[dtype].bits < 64 || DTYPES[dtype].kind === 'float') return true;
  for (const value of data as BigInt64Array) {
    const wide = value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
    if (wide && !(moves && ENDS.has(value))) return false;
  }
  return true;
}

/** Types of the outputs, from constant inputs. `undefined` when the operator has no rule or it throws. */
function typesOf(
  node: Node,
  inputs: readonly (Value | undefined)[],
  g: GraphBuilder,
): readonly TensorType[] | undefined {
  const rule = inferRule(opKey(node.domain, node.op));
  const constantTensor = (index: number): TensorData | undefined => {
    const value = inputs[index];
    return value && g.constantOf(value);
  };
  const ctx: InferContext = {
    op: node.op,
    inputs,
    attributes: node.attributes,
    outputCount: node.outputs.length,
    constantTensor,
    constant: (index) => {
      const data = constantTensor(index)?.data;
      return data && Array.from(data, Number);
    },
    freshDim: (hint) => hint,
  };
  try {
    return rule?.(ctx);
  } catch {
    // The mistake is reported where the node is copied.
    return undefined;
  }
}

/** Upper bound of an output's elements: where data decides, the operator picks from its inputs. */
function isSmall({ shape }: TensorType, limit: number, inputs: number): boolean {
  const known = shape.filter((dim) => typeof dim === 'number');
  const unknown = known.length < shape.length;
  return sizeOf(known) * (unknown ? inputs : 1) <= limit;
}

/** Computes one node whose inputs are all constants; `undefined` when it has to stay. */
function fold(
  node: Node,
  inputs: readonly (Value | undefined)[],
  g: GraphBuilder,
  opsets: Graph['opsets'],
  limit: number,
): readonly (TensorData | undefined)[] | undefined {
  const key = opKey(node.domain, node.op);
  const data = inputs.map((value) => value && g.constantOf(value));
  if (STAYING.has(key) || inputs.some((value, i) => value && data[i] === undefined)) return undefined;
  const elements = data.reduce((sum, t) => sum + (t ? sizeOf(t.shape) : 0), 0);
  if (elements > MAX_INPUT_ELEMENTS) return undefined;
  const types = typesOf(node, inputs, g);
  if (!types?.every((type, i) => node.outputs[i] === undefined || isSmall(type, limit, elements))) return undefined;
  const moves = MOVING.has(key);
  if (!data.every((t) => t === undefined || isExact(t, moves))) return undefined;
  const outputs = node.outputs.map((value, i) => {
    const type = types[i];
    return value && type && new Value(value.name, type.dtype, type.shape);
  });
  try {
    const results = evaluateNode(
      { ...node, outputs },
      data.map((t) => t && load(t)),
      opsets,
    );
    const tensors = results.map((result) => result && store(result));
    return tensors.every((t) => t === undefined || isExact(t, moves)) ? tensors : undefined;
  } catch {
    // No kernel, an element type without numbers, operands that do not fit: the runtime has the last word.
    return undefined;
  }
}

/** The rewriter of {@link foldConstants}, to combine with others. */
export function constantFolder(
  opsets: Graph['opsets'],
  { maxElements = MAX_ELEMENTS }: FoldOptions = {},
): NodeRewriter {
  return (node, inputs, g) =>
    fold(node, inputs, g, opsets, maxElements)?.map((data, i) => data && constantOf(g, data, node.outputs[i]?.name));
}

/** A constant; small vectors of int64 are shared. */
function constantOf(g: GraphBuilder, data: TensorData, name: string | undefined): Value {
  const isShape = data.dtype === 'int64' && data.shape.length === 1 && sizeOf(data.shape) <= 8;
  const values = isShape ? Array.from(data.data, Number) : [];
  return isShape && values.every((v) => Number.isSafeInteger(v)) ? g.ints(values) : g.constant(data, name);
}

/**
 * The graph with everything computed that depends on constants only, where the result is small: after `bind`, shape
 * arithmetic disappears. Parameters are not constants: what is computed from weights stays.
 */
export function foldConstants(graph: Graph, options: FoldOptions = {}): Graph {
  return rewrite(graph, { node: constantFolder(graph.opsets, options) });
}
