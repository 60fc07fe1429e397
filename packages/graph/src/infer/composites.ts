import { attr, type Attributes, type Dim, type Shape, type Value } from '../ir.ts';
import type { TensorType } from './types.ts';

/** A node before it is one. */
interface Call {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
}

type TypeRule = (call: Call, fresh: () => string) => readonly TensorType[] | undefined;

const type = ({ dtype }: Value, shape: Shape): TensorType => ({ dtype, shape });
const same = (x: Value): TensorType => type(x, x.shape);

/** Length of past and present together. */
function total(past: Dim | undefined, length: Dim, fresh: () => string): Dim {
  if (past === undefined || past === 0) return length;
  return typeof past === 'number' && typeof length === 'number' ? past + length : fresh();
}

const skip: TypeRule = ({ inputs: [x] }) => {
  if (x === undefined) return undefined;
  const statistics: TensorType = { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] };
  return [same(x), statistics, statistics, same(x)];
};

const embed: TypeRule = ({ inputs: [ids, , words] }) => {
  if (ids === undefined || words === undefined) return undefined;
  const y = type(words, [...ids.shape, words.shape[1] as Dim]);
  return [y, { dtype: 'int32', shape: ids.shape.slice(0, 1) }, y];
};

const msAttention: TypeRule = ({ inputs, attributes, op }, fresh) => {
  const [x, weights, , , past] = inputs;
  const width = weights?.shape[1];
  if (x === undefined || typeof width !== 'number') return undefined;
  const node = { op, attributes };
  const hidden = attr.ints(node, 'qkv_hidden_sizes')?.[2] ?? width / 3;
  const heads = attr.int(node, 'num_heads', 1);
  const [batch, length] = x.shape as [Dim, Dim];
  const present: Shape = [2, batch, heads, total(past?.shape[3], length, fresh), hidden / heads];
  return [type(x, [batch, length, hidden]), type(x, present)];
};

const multiHead: TypeRule = ({ inputs, attributes, op }, fresh) => {
  const [query, key, value, , , , past] = inputs;
  if (query === undefined) return undefined;
  const heads = attr.int({ op, attributes }, 'num_heads', 1);
  const [batch, length] = query.shape as [Dim, Dim];
  const packed = key?.rank === 5 ? key : query;
  const isPacked = packed.rank === 5;
  const size = (x: Value): Dim => (x.rank === 3 ? over(x.shape[2] as Dim, heads, fresh) : (x.shape.at(-1) as Dim));
  const valueSize = size(isPacked || value === undefined ? packed : value);
  const keys = key?.rank === 4 ? key.shape[2] : (key ?? query).shape[1];
  const all = total(past?.shape[2], keys as Dim, fresh);
  const width = typeof valueSize === 'number' ? valueSize * heads : fresh();
  return [
    type(query, [batch, length, width]),
    type(query, [batch, heads, all, isPacked || key === undefined ? valueSize : size(key)]),
    type(query, [batch, heads, all, valueSize]),
  ];
};

function over(width: Dim, heads: number, fresh: () => string): Dim {
  return typeof width === 'number' ? width / heads : fresh();
}

const groupQuery: TypeRule = ({ inputs, attributes, op }, fresh) => {
  const [query, key, , past] = inputs;
  const width = query?.shape[2];
  if (query === undefined || typeof width !== 'number') return undefined;
  const node = { op, attributes };
  const [heads, groups] = [attr.int(node, 'num_heads', 1), attr.int(node, 'kv_num_heads', 1)];
  const size = key ? width / heads : width / (heads + 2 * groups);
  const [batch, length] = query.shape as [Dim, Dim];
  const present = type(query, [batch, groups, total(past?.shape[2], length, fresh), size]);
  return [type(query, [batch, length, heads * size]), present, present];
};

const onnxAttention: TypeRule = ({ inputs, attributes, op }, fresh) => {
  const [query, key, value, , pastKeys] = inputs;
  if (!query || !key || !value) return undefined;
  const node = { op, attributes };
  const flat = query.rank === 3;
  const [heads, groups] = flat
    ? [attr.int(node, 'q_num_heads', 1), attr.int(node, 'kv_num_heads', 1)]
    : [query.shape[1] as Dim, key.shape[1] as Dim];
  const size = (x: Value): Dim => (flat ? over(x.shape[2] as Dim, groups as number, fresh) : (x.shape[3] as Dim));
  const [batch, length] = [query.shape[0] as Dim, query.shape.at(-2) as Dim];
  const all = total(pastKeys?.shape[2], key.shape.at(-2) as Dim, fresh);
  const valueSize = size(value);
  const wide = typeof valueSize === 'number' && typeof heads === 'number' ? heads * valueSize : fresh();
  return [
    type(query, flat ? [batch, length, wide] : [batch, heads, length, valueSize]),
    type(key, [batch, groups, all, size(key)]),
    type(value, [batch, groups, all, valueSize]),
    type(query, [batch, heads, length, all]),
  ];
};

const gatherBlocks: TypeRule = ({ inputs, attributes, op }) => {
  const [table, indices, scales] = inputs;
  if (!table || !indices || !scales) return undefined;
  const node = { op, attributes };
  const axis = attr.int(node, 'gather_axis', 0);
  const packed = table.dtype === 'uint8' ? 8 / attr.int(node, 'bits', 4) : 1;
  const shape = table.shape.map((dim, i) => (i === table.rank - 1 && typeof dim === 'number' ? dim * packed : dim));
  return [type(scales, [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)])];
};

/** Types of the operators that are rewritten before anything else looks at them, by key. */
const TYPES: Readonly<Record<string, TypeRule>> = {
  Attention: onnxAttention,
  'com.microsoft.Attention': msAttention,
  'com.microsoft.EmbedLayerNormalization': embed,
  'com.microsoft.GatherBlockQuantized': gatherBlocks,
  'com.microsoft.GroupQueryAttention': groupQuery,
  'com.microsoft.MultiHeadAttention': multiHead,
  'com.microsoft.SkipLayerNormalization': skip,
  'com.microsoft.SkipSimplifiedLayerNormalization': skip,
};

/** Whether an operator is typed here. */
export function isComposite(key: string): boolean {
  return Object.hasOwn(TYPES, key);
}

/** The output types of a composite operator; `undefined` when it is none, or its inputs do not tell. */
export function compositeTypes(key: string, call: Call, fresh: () => string): readonly TensorType[] | undefined {
  return isComposite(key) ? TYPES[key]?.(call, fresh) : undefined;
}
