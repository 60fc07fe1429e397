import { attr, GraphError, type GraphBuilder, type Node, type Value } from '@anneal/graph';
import type { Composition } from './composed.ts';

const isFloat = ({ dtype }: Value): boolean => dtype === 'float32' || dtype === 'float16';

/** There are no kernels for results without elements. */
const isEmpty = (value: Value | undefined): boolean => value?.shape.includes(0) ?? false;

/** Before opset 13 the axis begins a matrix; before 18 a reduction takes its axes in another way. */
const logSoftmax: Composition = (node, [x], { ops }, version) => {
  if (x === undefined || !isFloat(x)) return undefined;
  if (isEmpty(x)) return [x];
  if (version('') < 18) return undefined;
  const axes = [attr.int(node, 'axis', -1)];
  const centred = ops.sub(x, ops.max(x, { axes, keepdims: true }));
  return [ops.sub(centred, ops.log(ops.sum(ops.exp(centred), { axes, keepdims: true })))];
};

const softmax: Composition = (_node, [x]) => (isEmpty(x) ? [x] : undefined);

const LARGEST: Readonly<Record<string, number>> = { float32: 3.4028234663852886e38, float16: 65_504 };

/** The kernel takes exponents as they are, which overflow. */
const logSumExp: Composition = (node, [x, axes], g, version) => {
  if (x === undefined || !isFloat(x) || version('') < 18 || attr.int(node, 'noop_with_empty_axes', 0) === 1)
    return undefined;
  const { ops } = g;
  const over = axes === undefined ? [] : [axes];
  const options = { attributes: { ...node.attributes, keepdims: { int: 1 } } };
  const largest = g.one('ReduceMax', [x, ...over], options);
  // What is infinite takes nothing away.
  const shift = ops.where(ops.lessEqual(ops.abs(largest), LARGEST[x.dtype] as number), largest, 0);
  const total = g.one('ReduceSum', [ops.exp(ops.sub(x, shift)), ...over], options);
  const result = ops.add(ops.log(total), shift);
  const [y] = node.outputs;
  return y === undefined ? undefined : [attr.int(node, 'keepdims', 1) === 1 ? result : ops.reshape(result, y.shape)];
};

/** What a reduction without axes leaves: each element reduced alone. The kernel returns the elements as they are. */
const ALONE: Readonly<Record<string, (x: Value, g: GraphBuilder) => Value>> = {
  ReduceL1: (x, { ops }) => ops.abs(x),
  ReduceL2: (x, { ops }) => ops.abs(x),
  ReduceLogSum: (x, { ops }) => ops.log(x),
  ReduceSumSquare: (x, { ops }) => ops.mul(x, x),
};

const withoutAxes: Composition = (node, [x, axes], g) => {
  if (x === undefined || attr.int(node, 'noop_with_empty_axes', 0) === 0) return undefined;
  return axes === undefined || isEmpty(axes) ? [(ALONE[node.op] as (typeof ALONE)[string])(x, g)] : undefined;
};

const sign: Composition = (_node, [x], { ops }) => {
  if (x === undefined || !isFloat(x)) return undefined;
  return [ops.where(ops.greater(x, 0), 1, ops.where(ops.less(x, 0), -1, x))];
};

/** Half to even. Everything is exact: no number is added to another before it is compared. */
const round: Composition = (_node, [x], { ops }) => {
  if (x === undefined || !isFloat(x)) return undefined;
  const below = ops.floor(x);
  const rest = ops.sub(x, below);
  const odd = ops.sub(below, ops.mul(ops.floor(ops.mul(below, 0.5)), 2));
  const half = ops.add(below, odd);
  return [ops.where(ops.greater(rest, 0.5), ops.add(below, 1), ops.where(ops.equal(rest, 0.5), half, below))];
};

const sum: Composition = (_node, inputs, { ops }) => {
  const [x, ...others] = inputs.filter((value) => value !== undefined);
  return x === undefined ? undefined : [others.reduce((total, value) => ops.add(total, value), x)];
};

const mean: Composition = (_node, inputs, { ops }) => {
  const [x, ...others] = inputs.filter((value) => value !== undefined);
  if (x === undefined) return undefined;
  return [
    ops.div(
      others.reduce((total, value) => ops.add(total, value), x),
      others.length + 1,
    ),
  ];
};

/** A product over no elements divides by zero there, which ends the process. */
const product: Composition = (node, [a, b, c], { ops }) => {
  const [y] = node.outputs;
  if (a === undefined || b === undefined || y === undefined || !isEmpty(a) || isEmpty(y)) return undefined;
  const empty = ops.zeros(y.shape, y.dtype);
  return [c === undefined ? empty : ops.add(empty, ops.mul(c, attr.float(node, 'beta', 1)))];
};

/** Gemm multiplies matrices in either order; stacks of them are turned over first. */
const fusedMatmul: Composition = (node, [a, b], g, version) => {
  if (a === undefined || b === undefined) return undefined;
  const empty = product(node, [a, b], g, version);
  if (empty !== undefined) return empty;
  const [transA, transB] = [attr.int(node, 'transA', 0), attr.int(node, 'transB', 0)];
  if (attr.int(node, 'transBatchA', 0) + attr.int(node, 'transBatchB', 0) > 0) return undefined;
  const alpha = attr.float(node, 'alpha', 1);
  if (a.rank === 2 && b.rank === 2) {
    const attributes = { transA: { int: transA }, transB: { int: transB }, alpha: { float: alpha } };
    return [g.one('Gemm', [a, b], { attributes })];
  }
  const { ops } = g;
  const turned = ops.matmul(transA ? swapped(g, a) : a, transB ? swapped(g, b) : b);
  return [alpha === 1 ? turned : ops.mul(turned, alpha)];
};

function swapped({ ops }: GraphBuilder, x: Value): Value {
  if (x.rank < 2) return x;
  return ops.transpose(
    x,
    x.shape.map((_, i) => (i < x.rank - 2 ? i : 2 * x.rank - 3 - i)),
  );
}

/** The second output is the mean instead of the inverse deviation. */
const rmsNorm: Composition = (node, [x, scale], g) => {
  if (x === undefined || node.outputs[1] === undefined) return undefined;
  const { ops } = g;
  const { attributes } = node;
  const y = g.one('SimplifiedLayerNormalization', [x, scale], { attributes });
  const first = attr.int(node, 'axis', -1);
  const axes = x.shape.map((_, i) => i).slice(first < 0 ? first + x.rank : first);
  const square = ops.mean(ops.mul(x, x), { axes, keepdims: true });
  return [y, ops.reciprocal(ops.sqrt(ops.add(square, attr.float(node, 'epsilon', 1e-5))))];
};

/** A comparison with every class. */
const oneHot: Composition = (node, [indices, depth, values], g) => {
  const [y] = node.outputs;
  if (indices === undefined || depth === undefined || values === undefined || y === undefined) return undefined;
  const count = Number(g.constantOf(depth)?.data[0] ?? Number.NaN);
  if (!Number.isInteger(count)) return undefined;
  const { ops } = g;
  const axis = attr.int(node, 'axis', -1);
  const at = axis < 0 ? axis + y.rank : axis;
  const classes = g.ints(Array.from({ length: count }, (_, i) => i));
  const position = ops.cast(indices, 'int64');
  const found = ops.equal(
    ops.expandDims(ops.where(ops.less(position, 0), ops.add(position, count), position), [at]),
    ops.reshape(
      classes,
      Array.from({ length: y.rank }, (_, i) => (i === at ? count : 1)),
    ),
  );
  const [off, on] = ops.split(values, [1, 1], { axis: 0 }) as [Value, Value];
  return [ops.where(found, on, off)];
};

/** Backwards from before the first element is that element alone, or nothing; the kernel reads another. */
const slice: Composition = (node, [x, starts, ends, axes, steps], g) => {
  const [y] = node.outputs;
  const read = (value: Value | undefined): number[] | undefined => {
    const data = value && g.constantOf(value)?.data;
    return data && Array.from(data as ArrayLike<number | bigint>, Number);
  };
  const [from, to, by, along] = [read(starts), read(ends), read(steps), read(axes)];
  if (x === undefined || y === undefined || !from || !to || !by || (axes && !along)) return undefined;
  const axisOf = (i: number): number => along?.[i] ?? i;
  const before = from.map((start, i) => {
    const dim = x.shape.at(axisOf(i));
    return (by[i] ?? 1) < 0 && typeof dim === 'number' && (start === 0 || start <= -dim);
  });
  if (!before.includes(true)) return undefined;
  const pick = (values: readonly number[], other: (i: number) => number): Value =>
    g.ints(values.map((value, i) => (before[i] ? other(i) : value)));
  const inputs = [x, pick(from, () => 0), pick(to, (i) => Number(y.shape.at(axisOf(i)))), axes, pick(by, () => 1)];
  return [g.one('Slice', inputs, { attributes: node.attributes })];
};

/** Products of bytes have kernels for the CPU alone; training with copies at every layer would be slower than fp32. */
export const refuseInt8: Composition = (node: Node) => {
  throw new GraphError(
    'ANNEAL_E_BACKEND',
    'layers in int8 are trained on the CPU only: no other device multiplies bytes',
    {
      fix: "use `device: 'cpu'`, or `train.precision: 'fp32'`",
      at: { op: node.op, ...(node.scope !== '' && { module: node.scope }) },
    },
  );
};

/** What the WebGPU provider of ONNX Runtime 1.30 has no kernel for, or a wrong one. */
export const WEBGPU: Readonly<Record<string, Composition>> = {
  'anneal.Int8Linear': refuseInt8,
  'com.microsoft.FusedMatMul': fusedMatmul,
  Gemm: product,
  LogSoftmax: logSoftmax,
  MatMul: product,
  Mean: mean,
  OneHot: oneHot,
  ReduceL1: withoutAxes,
  ReduceL2: withoutAxes,
  ReduceLogSum: withoutAxes,
  ReduceLogSumExp: logSumExp,
  ReduceSumSquare: withoutAxes,
  Round: round,
  Sign: sign,
  Slice: slice,
  SimplifiedLayerNormalization: rmsNorm,
  Softmax: softmax,
  Sum: sum,
};
