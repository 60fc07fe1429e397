import {
  attr,
  type DType,
  type GraphBuilder,
  int8RowwiseMatmul,
  type Node,
  sizeOf,
  tensor,
  type Value,
} from '@anneal/graph';

/** Composes a node of others; `undefined` keeps it. `version` tells the graph's opset of a domain. */
export type Composition = (
  node: Node,
  inputs: Node['inputs'],
  g: GraphBuilder,
  version: (domain: string) => number,
) => readonly (Value | undefined)[] | undefined;

const first: Composition = (_node, inputs) => [inputs[0]];

/** What the gradient needs is not a part of the forward pass. */
const int8Linear: Composition = (node, [x, weight, scale], { ops }) => {
  if (x === undefined || weight === undefined || scale === undefined) return undefined;
  const rowwise = attr.int(node, 'rowwise', 0) === 1;
  return [rowwise ? int8RowwiseMatmul(ops, x, weight, scale) : ops.int8Matmul(x, weight, scale)];
};

/** Random masks of the runtime cannot be resumed; the engine feeds its own. What is left here is inference. */
const dropout: Composition = (node, [x, , trainingMode], g) => {
  if (x === undefined || trainingMode !== undefined) return undefined;
  return node.outputs[1] === undefined ? [x] : [x, g.ops.broadcastTo(g.scalar(1, 'bool'), x.shape)];
};

/** In opset 23 only; the older operator computes the same. */
const rmsNormalization: Composition = (node, inputs, g, version) => {
  if (version('') >= 23) return undefined;
  return [g.one('SimplifiedLayerNormalization', inputs, { attributes: node.attributes })];
};

/** In opset 24 only. */
const swish: Composition = (node, [x], g, version) => {
  if (version('') >= 24 || x === undefined) return undefined;
  const alpha = attr.float(node, 'alpha', 1);
  return [g.ops.mul(x, g.ops.sigmoid(alpha === 1 ? x : g.ops.mul(x, alpha)))];
};

/**
 * ScatterND with a reduction is a data race on more than one thread: duplicates get lost. ScatterElements over the
 * flattened tensor is right.
 */
const scatterND: Composition = (node, [x, indices, updates], g) => {
  if (attr.string(node, 'reduction', 'none') === 'none') return undefined;
  if (x === undefined || indices === undefined || updates === undefined) return undefined;
  const { ops } = g;
  const depth = indices.dims[indices.rank - 1] as number;
  const [outer, inner] = [x.dims.slice(0, depth), x.dims.slice(depth)];
  const [rows, width] = [sizeOf(outer), sizeOf(inner)];
  const count = sizeOf(indices.dims.slice(0, -1));
  const sizes = g.ints(outer);
  const strides = g.ints(outer.map((_, i) => sizeOf(outer.slice(i + 1))));
  const positive = ops.where(ops.less(indices, 0), ops.add(indices, sizes), indices);
  const row = ops.sum(ops.mul(ops.reshape(positive, [count, depth]), strides), { axes: [1], keepdims: true });
  const narrow = x.dtype === 'float16' || x.dtype === 'bfloat16';
  const data = (value: Value, shape: readonly number[]): Value =>
    ops.cast(ops.reshape(value, shape), narrow ? 'float32' : x.dtype);
  const flat = g.one(
    'ScatterElements',
    [data(x, [rows, width]), ops.broadcastTo(row, [count, width]), data(updates, [count, width])],
    { attributes: { axis: { int: 0 }, reduction: { string: attr.string(node, 'reduction', 'none') } } },
  );
  return [ops.cast(ops.reshape(flat, x.dims), x.dtype)];
};

const ONE_HOT_KERNELS: ReadonlySet<DType> = new Set(['float32', 'float16', 'int64']);

/** Few element types have a kernel; the position of the one, as an index into the two values, serves all. */
const oneHot: Composition = (node, [indices, depth, values], g) => {
  if (indices === undefined || values === undefined || ONE_HOT_KERNELS.has(values.dtype)) return undefined;
  const position = g.one('OneHot', [g.ops.cast(indices, 'int64'), depth, g.constant(tensor('int64', [2], [0n, 1n]))], {
    attributes: node.attributes,
  });
  return [g.ops.take(values, position)];
};

const NON_ZERO_KERNELS: ReadonlySet<DType> = new Set(['float32', 'float16', 'int32', 'int64', 'uint8', 'bool']);

const nonZero: Composition = (_node, [x], g) => {
  if (x === undefined || NON_ZERO_KERNELS.has(x.dtype)) return undefined;
  return [g.one('NonZero', [g.ops.cast(x, 'bool')])];
};

/** The smallest integer divided by -1 overflows, and the processor's trap would end the process. */
const integerDivision: Composition = (node, [x, y], g) => {
  if (x === undefined || y === undefined || (y.dtype !== 'int32' && y.dtype !== 'int64')) return undefined;
  const divisors = g.constantOf(y)?.data;
  if (divisors !== undefined && !Array.from(divisors, Number).includes(-1)) return undefined;
  const { ops } = g;
  const minusOne = ops.equal(y, -1);
  const safe = g.one(node.op, [x, ops.where(minusOne, 1, y)], { attributes: node.attributes });
  return [node.op === 'Mod' ? safe : ops.where(minusOne, ops.neg(x), safe)];
};

/** Operators, by key, that are replaced in some or all of their forms. */
export const COMPOSED: Readonly<Record<string, Composition>> = {
  'anneal.Int8Linear': int8Linear,
  'anneal.StopGradient': first,
  'anneal.WithGradient': first,
  Div: integerDivision,
  Dropout: dropout,
  Mod: integerDivision,
  NonZero: nonZero,
  OneHot: oneHot,
  RMSNormalization: rmsNormalization,
  ScatterND: scatterND,
  Swish: swish,
};
