import { isFloat, tensor } from '@anneal/graph';

import type { WriteContext, WriteRule } from '../context.ts';
import { parameterPath, type Ref, tfAttr } from '../emitter.ts';

function product(node: WriteContext, a: Ref, b: Ref, transposeA: boolean, transposeB: boolean): Ref {
  const [x, y] = [node.value(0), node.value(1)];
  if (x.rank < 2 || y.rank < 2) throw node.error('it multiplies vectors');
  // TensorFlow.js repeats the smaller batch as it is.
  const [left, right] = [x, y].map(({ shape }) =>
    shape
      .slice(0, -2)
      .join()
      .replace(/^(?:1,|1$)+/, ''),
  ) as [string, string];
  const spreads = (over: string, batch: string): boolean => batch === '' || `,${over}`.endsWith(`,${batch}`);
  if (!spreads(left, right) && !spreads(right, left)) {
    throw node.error(`its batches [${left}] and [${right}] spread over each other`);
  }
  if (x.rank === 2 && y.rank === 2) {
    return node.tf('MatMul', [a, b], { transpose_a: tfAttr.bool(transposeA), transpose_b: tfAttr.bool(transposeB) });
  }
  return node.tf('BatchMatMulV2', [a, b], { adj_x: tfAttr.bool(transposeA), adj_y: tfAttr.bool(transposeB) });
}

const gemm: WriteRule = (node) => {
  const [alpha, beta] = [node.float('alpha', 1), node.float('beta', 1)];
  const transposed = (name: string): boolean => node.int(name, 0) === 1;
  let y = product(node, node.x(0), node.x(1), transposed('transA'), transposed('transB'));
  if (alpha !== 1) y = node.tf('Mul', [y, node.e.float(alpha)]);
  if (node.has(2)) {
    const bias = beta === 1 ? node.x(2) : node.tf('Mul', [node.x(2), node.e.float(beta)]);
    y = node.tf('AddV2', [y, bias]);
  }
  node.out(y);
};

const fusedMatMul: WriteRule = (node) => {
  const alpha = node.float('alpha', 1);
  const y = product(node, node.x(0), node.x(1), node.int('transA', 0) === 1, node.int('transB', 0) === 1);
  node.out(alpha === 1 ? y : node.tf('Mul', [y, node.e.float(alpha)]));
};

/** Axes of a tensor whose channels are last. */
function lastAxis(axis: number, rank: number): number {
  return axis === 0 ? 0 : axis === 1 ? rank - 1 : axis - 1;
}

/** A reduction, in the order of axes that the tensor is in. */
export function reduced(node: WriteContext, x: Ref, op: string, axes: readonly number[], keepdims: boolean): Ref {
  return node.tf(op, [x, node.e.ints(axes)], { keep_dims: tfAttr.bool(keepdims), Tidx: tfAttr.type('int32') });
}

/** Integers have no mean in integers there. */
const ofFloats = (fn: Reduction): WriteRule => {
  const rule = reduce(fn);
  return (node) => {
    if (!isFloat(node.value(0).dtype)) throw node.error('it is of integers');
    rule(node);
  };
};

type Reduction = (node: WriteContext, x: Ref, reduce: (x: Ref, op: string) => Ref) => Ref;

function reduce(fn: Reduction): WriteRule {
  return (node) => {
    const value = node.value(0);
    const { rank } = value;
    const given = node.ints('axes') ?? (node.has(1) ? node.known(1, 'the axes') : []);
    const none = given.length === 0 && node.int('noop_with_empty_axes', 0) === 1;
    const all = given.length === 0 && !none ? Array.from({ length: rank }, (_, i) => i) : given;
    const axes = all.map((axis) => (axis < 0 ? axis + rank : axis));
    const keepdims = node.int('keepdims', 1) === 1;
    // Where axes go, those that stay must be the batch and one more: then their order is the same.
    if (rank >= 3 && node.e.isLast(value) && !axes.includes(0) && (keepdims || axes.length >= rank - 2)) {
      const places = axes.map((axis) => lastAxis(axis, rank));
      const y = fn(node, node.e.last(value), (x, op) => reduced(node, x, op, places, keepdims));
      if (keepdims) node.outLast(y);
      else node.out(y);
      return;
    }
    node.out(fn(node, node.x(0), (x, op) => reduced(node, x, op, axes, keepdims)));
  };
}

const square = (node: WriteContext, x: Ref): Ref => node.tf('Mul', [x, x]);

function softmax(op: 'Softmax' | 'LogSoftmax'): WriteRule {
  return (node) => {
    const value = node.value(0);
    const { rank, dtype } = value;
    const given = node.int('axis', -1);
    const axis = given < 0 ? given + rank : given;
    if (axis === rank - 1) node.out(node.tf(op, [node.x(0)]));
    else if (axis === 1) node.outLast(node.tf(op, [node.e.last(value)]));
    else {
      const perm = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
      const moved = node.e.transpose(node.x(0), perm, dtype);
      node.out(node.e.transpose(node.tf(op, [moved]), perm, dtype));
    }
  };
}

/** Normalises the last axes: `(x - mean) / √(variance + ε) · scale + bias`. */
function layerNorm(centred: boolean): WriteRule {
  return (node) => {
    const { rank } = node.value(0);
    const given = node.int('axis', -1);
    const axes = Array.from({ length: rank }, (_, i) => i).slice(given);
    const { e } = node;
    const x = node.x(0);
    const mean = (value: Ref): Ref => reduced(node, value, 'Mean', axes, true);
    const centre = centred ? node.tf('Sub', [x, mean(x)]) : x;
    const variance = node.tf('AddV2', [mean(square(node, centre)), e.float(node.float('epsilon', 1e-5))]);
    const scaled = node.tf('Mul', [node.tf('Mul', [centre, node.tf('Rsqrt', [variance])]), node.x(1)]);
    node.out(node.has(2) ? node.tf('AddV2', [scaled, node.x(2)]) : scaled);
  };
}

/** A product and a sum for each channel, of numbers that are known where the statistics are. */
const batchNorm: WriteRule = (node) => {
  if (node.int('training_mode', 0) === 1) throw node.error('it computes statistics');
  const value = node.value(0);
  const [factor, shift] = [1, 2, 3, 4].every((i) => node.data(i) !== undefined)
    ? knownScale(node)
    : computedScale(node);
  const y = node.tf('AddV2', [node.tf('Mul', [value.rank < 3 ? node.x(0) : node.e.last(value), factor]), shift]);
  if (value.rank < 3) node.out(y);
  else node.outLast(y);
};

function knownScale(node: WriteContext): readonly [factor: Ref, shift: Ref] {
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => node.known(i, 'the statistics')) as [
    readonly number[],
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  const epsilon = node.float('epsilon', 1e-5);
  const factor = scale.map((s, i) => s / Math.sqrt((variance[i] as number) + epsilon));
  const shift = bias.map((b, i) => b - (mean[i] as number) * (factor[i] as number));
  const path = parameterPath(node.value(1).name);
  return [
    node.e.weight(tensor('float32', [factor.length], factor), path),
    node.e.weight(tensor('float32', [shift.length], shift), path.replace(/weight$/, 'bias')),
  ];
}

function computedScale(node: WriteContext): readonly [factor: Ref, shift: Ref] {
  const variance = node.tf('AddV2', [node.x(4), node.e.float(node.float('epsilon', 1e-5))]);
  const factor = node.tf('Mul', [node.x(1), node.tf('Rsqrt', [variance])]);
  return [factor, node.tf('Sub', [node.x(2), node.tf('Mul', [node.x(3), factor])])];
}

function arg(op: 'ArgMax' | 'ArgMin'): WriteRule {
  return (node) => {
    if (node.int('select_last_index', 0) === 1) throw node.error('it takes the last of several');
    const { rank } = node.value(0);
    const given = node.int('axis', 0);
    const axis = node.e.int(given < 0 ? given + rank : given);
    const index = node.tf(op, [node.x(0), axis], { output_type: tfAttr.type('int32'), Tidx: tfAttr.type('int32') });
    node.out(node.int('keepdims', 1) === 1 ? node.tf('ExpandDims', [index, axis], { T: tfAttr.type('int32') }) : index);
  };
}

const cumSum: WriteRule = (node) => {
  const axis = node.known(1, 'the axis')[0] as number;
  const { rank } = node.value(0);
  node.out(
    node.tf('Cumsum', [node.x(0), node.e.int(axis < 0 ? axis + rank : axis)], {
      exclusive: tfAttr.bool(node.int('exclusive', 0) === 1),
      reverse: tfAttr.bool(node.int('reverse', 0) === 1),
    }),
  );
};

const topK: WriteRule = (node) => {
  const value = node.value(0);
  const axis = node.int('axis', -1);
  if ((axis !== -1 && axis !== value.rank - 1) || node.int('largest', 1) !== 1)
    throw node.error('it sorts in another way');
  const k = node.known(1, 'their number')[0] as number;
  const all = node.tf('TopKV2', [node.x(0), node.e.int(k)], { sorted: tfAttr.bool(true) });
  node.out(all);
  node.out(`${all}:1`, 1);
};

const einsum: WriteRule = (node) => {
  const inputs = node.node.inputs.map((_, i) => node.x(i));
  const equation = node.text('equation', '').replaceAll(' ', '');
  const terms = equation.split('->')[0]?.split(',') ?? [];
  const repeats = terms.some((term) => new Set(term).size !== term.length);
  if (!equation.includes('->') || equation.includes('.') || repeats) throw node.error(`its equation is ${equation}`);
  node.out(node.tf('Einsum', inputs, { equation: tfAttr.text(equation), N: tfAttr.int(inputs.length) }));
};

export const layers: Readonly<Record<string, WriteRule>> = {
  MatMul: (node) => {
    node.out(product(node, node.x(0), node.x(1), false, false));
  },
  'com.microsoft.FusedMatMul': fusedMatMul,
  Gemm: gemm,
  Einsum: einsum,
  ReduceSum: reduce((_, x, by) => by(x, 'Sum')),
  ReduceMean: ofFloats((_, x, by) => by(x, 'Mean')),
  ReduceMax: reduce((_, x, by) => by(x, 'Max')),
  ReduceMin: reduce((_, x, by) => by(x, 'Min')),
  ReduceProd: reduce((_, x, by) => by(x, 'Prod')),
  ReduceSumSquare: reduce((node, x, by) => by(square(node, x), 'Sum')),
  ReduceL1: reduce((node, x, by) => by(node.tf('Abs', [x]), 'Sum')),
  ReduceL2: ofFloats((node, x, by) => node.tf('Sqrt', [by(square(node, x), 'Sum')])),
  Softmax: softmax('Softmax'),
  LogSoftmax: softmax('LogSoftmax'),
  LayerNormalization: layerNorm(true),
  RMSNormalization: layerNorm(false),
  SimplifiedLayerNormalization: layerNorm(false),
  BatchNormalization: batchNorm,
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  CumSum: cumSum,
  TopK: topK,
};
