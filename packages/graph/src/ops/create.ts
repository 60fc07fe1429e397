import type { GraphBuilder } from '../builder.ts';
import { DTYPES, type DType } from '../dtype.ts';
import { GraphError } from '../error.ts';
import type { Attributes, Dim, Shape, Value } from '../ir.ts';
import { tensor } from '../tensor.ts';
import type { Operand, Ops, ReduceOptions } from './types.ts';

/** The operators over one builder. Each is one ONNX node, or a fixed composition of a few. */
export function createOps(g: GraphBuilder): Ops {
  const unary =
    (op: string, attributes: Attributes = {}, domain: string = '') =>
    (x: Value): Value =>
      g.one(op, [x], { attributes, domain });

  const lift = (op: string, a: Operand, b: Operand): [Value, Value] => {
    if (typeof a !== 'number') return [a, typeof b === 'number' ? g.scalar(b, a.dtype) : b];
    if (typeof b !== 'number') return [g.scalar(a, b.dtype), b];
    throw new GraphError('ANNEAL_E_OP', `${op}: one operand must be a tensor, received ${a} and ${b}`);
  };

  const binary =
    (op: string) =>
    (a: Operand, b: Operand): Value =>
      g.one(op, lift(op, a, b));

  const reduce =
    (op: string) =>
    (x: Value, { axes, keepdims = false }: ReduceOptions = {}): Value =>
      g.one(op, axes === undefined ? [x] : [x, g.ints(axes)], {
        // With `axes: []` nothing is reduced, as in NumPy; ONNX needs to be told.
        attributes: { keepdims: { int: Number(keepdims) }, noop_with_empty_axes: { int: Number(axes !== undefined) } },
      });

  const onAxis =
    (op: string) =>
    (x: Value, { axis = -1 }: { axis?: number | undefined } = {}): Value =>
      g.one(op, [x], { attributes: { axis: { int: axis } } });

  /** An int64 vector of dimensions, computed at run time where they are symbolic and `like` has them. */
  const shapeVector = (shape: Shape, like: readonly Value[]): Value => {
    if (shape.every((dim) => typeof dim === 'number')) return g.ints(shape as readonly number[]);
    const parts = shape.map((dim) => {
      if (typeof dim === 'number') return g.ints([dim]);
      for (const value of like) {
        const at = value.shape.indexOf(dim);
        if (at >= 0) return g.one('Shape', [value], { attributes: { start: { int: at }, end: { int: at + 1 } } });
      }
      throw new GraphError('ANNEAL_E_SYMBOLIC_DIM', `no tensor at hand has the dimension \`${dim}\``);
    });
    return g.one('Concat', parts, { attributes: { axis: { int: 0 } } });
  };

  const fill = (shape: readonly Dim[], value: number, dtype: DType): Value => {
    const dims = shape.map((dim) => {
      if (typeof dim === 'number') return dim;
      throw new GraphError('ANNEAL_E_SYMBOLIC_DIM', `cannot create a tensor with the symbolic dimension \`${dim}\``);
    });
    return dims.length === 0 ? g.scalar(value, dtype) : g.one('Expand', [g.scalar(value, dtype), g.ints(dims)]);
  };

  const ops: Ops = {
    graph: g,

    add: binary('Add'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    div: binary('Div'),
    pow: binary('Pow'),
    minimum: binary('Min'),
    maximum: binary('Max'),
    neg: unary('Neg'),
    abs: unary('Abs'),
    sign: unary('Sign'),
    sqrt: unary('Sqrt'),
    reciprocal: unary('Reciprocal'),
    exp: unary('Exp'),
    log: unary('Log'),
    sin: unary('Sin'),
    cos: unary('Cos'),
    erf: unary('Erf'),
    floor: unary('Floor'),
    round: unary('Round'),
    clip: (x, { min, max }) =>
      g.one('Clip', [
        x,
        min === undefined ? undefined : g.scalar(min, x.dtype),
        max === undefined ? undefined : g.scalar(max, x.dtype),
      ]),
    identity: unary('Identity'),
    cast: (x, dtype) =>
      x.dtype === dtype ? x : g.one('Cast', [x], { attributes: { to: { int: DTYPES[dtype].onnx } } }),
    stopGradient: unary('StopGradient', {}, 'anneal'),
    withGradient: (value, x, gradient) => g.one('WithGradient', [value, x, gradient], { domain: 'anneal' }),

    equal: binary('Equal'),
    greater: binary('Greater'),
    greaterEqual: binary('GreaterOrEqual'),
    less: binary('Less'),
    lessEqual: binary('LessOrEqual'),
    logicalAnd: binary('And'),
    logicalOr: binary('Or'),
    logicalNot: unary('Not'),
    isNaN: unary('IsNaN'),
    isInf: unary('IsInf'),
    where: (condition, a, b) => g.one('Where', [condition, ...lift('where', a, b)]),

    relu: unary('Relu'),
    leakyRelu: (x, { alpha = 0.01 } = {}) => g.one('LeakyRelu', [x], { attributes: { alpha: { float: alpha } } }),
    elu: (x, { alpha = 1 } = {}) => g.one('Elu', [x], { attributes: { alpha: { float: alpha } } }),
    sigmoid: unary('Sigmoid'),
    tanh: unary('Tanh'),
    softplus: unary('Softplus'),
    gelu: (x, { approximate = 'none' } = {}) =>
      g.one('Gelu', [x], { attributes: { approximate: { string: approximate } } }),
    silu: (x) => ops.mul(x, ops.sigmoid(x)),
    quickGelu: unary('QuickGelu', { alpha: { float: 1.702 } }, 'com.microsoft'),
    softmax: onAxis('Softmax'),
    logSoftmax: onAxis('LogSoftmax'),

    sum: reduce('ReduceSum'),
    mean: reduce('ReduceMean'),
    max: reduce('ReduceMax'),
    min: reduce('ReduceMin'),
    norm: reduce('ReduceL2'),
    logSumExp: reduce('ReduceLogSumExp'),
    argmax: (x, { axis = -1, keepdims = false } = {}) =>
      g.one('ArgMax', [x], { attributes: { axis: { int: axis }, keepdims: { int: Number(keepdims) } } }),

    matmul: (a, b, { transposeA = false, transposeB = false, alpha = 1 } = {}) => {
      if (!transposeA && !transposeB && alpha === 1) return g.one('MatMul', [a, b]);
      const attributes: Attributes = {
        transA: { int: Number(transposeA) },
        transB: { int: Number(transposeB) },
        alpha: { float: alpha },
      };
      return g.one('FusedMatMul', [a, b], { domain: 'com.microsoft', attributes });
    },

    int8Matmul: (x, weight, scale) => g.one('DynamicQuantizeMatMul', [x, weight, scale], { domain: 'com.microsoft' }),
    int8Linear: (x, { weight, scale, transposed, transposedScale }, { rowwise = false } = {}) =>
      g.one('Int8Linear', [x, weight, scale, transposed, transposedScale], {
        domain: 'anneal',
        attributes: rowwise ? { rowwise: { int: 1 } } : {},
      }),

    layerNorm: (x, scale, bias, { axis = -1, epsilon = 1e-5 } = {}) =>
      g.one('LayerNormalization', [x, scale, bias], {
        attributes: { axis: { int: axis }, epsilon: { float: epsilon } },
      }),
    rmsNorm: (x, scale, { axis = -1, epsilon = 1e-5 } = {}) =>
      g.one('SimplifiedLayerNormalization', [x, scale], {
        attributes: { axis: { int: axis }, epsilon: { float: epsilon } },
      }),

    reshape: (x, shape) => {
      const symbols = shape.filter((dim, i) => typeof dim === 'string' && x.shape[i] !== dim);
      const copies = shape.map((dim, i) => (typeof dim === 'string' && x.shape[i] === dim ? 0 : dim));
      // A zero copies the dimension of the same position, a single other symbol is inferred: no shape arithmetic.
      if (symbols.length === 0 && copies.every((dim) => typeof dim === 'number')) {
        return g.one('Reshape', [x, g.ints(copies)]);
      }
      if (symbols.length === 1 && !copies.includes(-1)) {
        return g.one('Reshape', [x, g.ints(copies.map((dim) => (typeof dim === 'string' ? -1 : dim)))]);
      }
      return g.one('Reshape', [x, shapeVector(shape, [x])]);
    },
    transpose: (x, perm = x.shape.map((_, i) => x.rank - 1 - i)) =>
      g.one('Transpose', [x], {
        attributes: { perm: { ints: perm.map((axis) => (axis < 0 ? axis + x.rank : axis)) } },
      }),
    squeeze: (x, axes) => g.one('Squeeze', [x, g.ints(axes)]),
    expandDims: (x, axes) => g.one('Unsqueeze', [x, g.ints(axes)]),
    broadcastTo: (x, shape) => g.one('Expand', [x, shapeVector(shape, [x])]),
    tile: (x, repeats) => g.one('Tile', [x, g.ints(repeats)]),
    concat: (values, { axis }) => g.one('Concat', values, { attributes: { axis: { int: axis } } }),
    split: (x, sizes, { axis }) =>
      g.node('Split', [x, g.ints(sizes)], {
        outputs: sizes.length,
        attributes: { axis: { int: axis } },
      }) as Value[],
    slice: (x, ranges) =>
      g.one('Slice', [
        x,
        g.ints(ranges.map((r) => r.start)),
        g.ints(ranges.map((r) => r.end)),
        g.ints(ranges.map((r) => r.axis)),
        g.ints(ranges.map((r) => r.step ?? 1)),
      ]),
    pad: (x, pads, { value = 0 } = {}) =>
      g.one('Pad', [
        x,
        g.ints([...pads.map(([before]) => before), ...pads.map(([, after]) => after)]),
        g.scalar(value, x.dtype),
      ]),
    take: (x, indices, { axis = 0 } = {}) => g.one('Gather', [x, indices], { attributes: { axis: { int: axis } } }),
    takeAlongAxis: (x, indices, { axis }) =>
      g.one('GatherElements', [x, indices], { attributes: { axis: { int: axis } } }),
    scatterAdd: (x, indices, updates, { axis }) =>
      g.one('ScatterElements', [x, indices, updates], {
        attributes: { axis: { int: axis }, reduction: { string: 'add' } },
      }),
    tril: (x, { k = 0 } = {}) => g.one('Trilu', [x, g.scalar(k, 'int64')], { attributes: { upper: { int: 0 } } }),
    triu: (x, { k = 0 } = {}) => g.one('Trilu', [x, g.scalar(k, 'int64')], { attributes: { upper: { int: 1 } } }),
    oneHot: (indices, depth, { dtype = 'float32' } = {}) =>
      g.one('OneHot', [indices, g.scalar(depth, 'int64'), g.constant(tensor(dtype, [2], [0, 1]))], {
        attributes: { axis: { int: -1 } },
      }),

    constant: (data) => g.constant(data),
    zeros: (shape, dtype = 'float32') => fill(shape, 0, dtype),
    ones: (shape, dtype = 'float32') => fill(shape, 1, dtype),
    full: (shape, value, dtype = 'float32') => fill(shape, value, dtype),
    shapeOf: unary('Shape'),

    dropout: (x, { rate }) => (rate === 0 ? x : g.one('Dropout', [x, g.scalar(rate, 'float32')])),
  };
  return ops;
}
