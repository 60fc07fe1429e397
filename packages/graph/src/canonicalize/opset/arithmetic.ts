import { DTYPES, type DType } from '../../dtype.ts';
import { attr, type Value } from '../../ir.ts';
import { tensor } from '../../tensor.ts';
import type { GraphBuilder } from '../../builder.ts';
import {
  type Change,
  type Changes,
  dropping,
  type Form,
  inexpressible,
  intsToInput,
  operand,
  withAttributes,
} from './form.ts';

/** Before 7 the second operand was aligned at `axis` of the first, when `broadcast` said so. */
const aligned: Change = {
  since: 7,
  apply: (form, g) => {
    const [a, b] = [operand(form, 0), operand(form, 1)];
    const axis = attr.int(form, 'axis', a.rank - b.rank);
    const trailing =
      attr.int(form, 'broadcast', 0) === 1 && b.rank > 0 ? a.rank - (axis < 0 ? axis + a.rank : axis) - b.rank : 0;
    const inputs = [a, trailing > 0 ? unsqueezeEnd(g, b, trailing) : b];
    return { ...withAttributes(form, {}, 'axis', 'broadcast'), inputs };
  },
};

function unsqueezeEnd(g: GraphBuilder, x: Value, count: number): Value {
  return g.one('Unsqueeze', [x, g.ints(Array.from({ length: count }, (_, i) => x.rank + i))]);
}

/** Before 7 a slope for each channel did not need the axes behind it. */
const slope: Change = {
  since: 7,
  apply: (form, g) => {
    const [x, s] = [operand(form, 0), operand(form, 1)];
    if (s.rank !== 1 || s.shape[0] === 1 || x.rank <= 2) return form;
    return { ...form, inputs: [x, unsqueezeEnd(g, s, x.rank - 2)] };
  },
};

const TYPE_NAMES: Readonly<Record<string, DType>> = {
  FLOAT: 'float32',
  DOUBLE: 'float64',
  FLOAT16: 'float16',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  BOOL: 'bool',
};

const castByName: Change = {
  since: 6,
  apply: (form) => {
    const to = form.attributes['to'];
    if (to === undefined || !('string' in to)) return form;
    const dtype = TYPE_NAMES[to.string.toUpperCase()];
    if (dtype === undefined) throw inexpressible(form, `the type "${to.string}"`);
    return withAttributes(form, { to: { int: DTYPES[dtype].onnx } });
  },
};

const clipBounds: Change = {
  since: 11,
  apply: (form, g) => {
    const x = operand(form, 0);
    const bound = (name: string): Value | undefined => {
      const value = form.attributes[name];
      return value && 'float' in value ? g.constant(tensor(x.dtype, [], [value.float])) : undefined;
    };
    return { ...withAttributes(form, {}, 'min', 'max'), inputs: [x, bound('min'), bound('max')] };
  },
};

/** Before 13 everything from `axis` on was one axis. */
const coerced: Change = {
  since: 13,
  apply: (form, g): Form => {
    const x = operand(form, 0);
    const given = attr.int(form, 'axis', 1);
    const axis = given < 0 ? given + x.rank : given;
    if (axis === x.rank - 1) return withAttributes(form, { axis: { int: -1 } });
    const flat = g.one('Flatten', [x], { attributes: { axis: { int: axis } } });
    const result = g.one(form.op, [flat], { attributes: { axis: { int: -1 } } });
    const isStatic = x.shape.every((dim) => typeof dim === 'number');
    const shape = isStatic ? g.ints(x.dims) : g.one('Shape', [x]);
    return { ...form, op: 'Reshape', inputs: [result, shape], attributes: {} };
  },
};

const maximumK: Change = {
  since: 10,
  apply: (form, g) => {
    const k = attr.int(form, 'k', 1);
    return { ...withAttributes(form, {}, 'k'), inputs: [operand(form, 0), g.ints([k])] };
  },
};

const BINARY = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less'] as const;
const REDUCTIONS = [
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceSumSquare',
] as const;

export const arithmetic: Changes = {
  ...Object.fromEntries(BINARY.map((op) => [op, [aligned]])),
  ...Object.fromEntries(REDUCTIONS.map((op) => [op, [intsToInput(18, 'axes')]])),
  ReduceSum: [intsToInput(13, 'axes')],
  PRelu: [slope],
  Gemm: [dropping(7, 'broadcast')],
  Cast: [castByName],
  Clip: [clipBounds],
  Softmax: [coerced],
  LogSoftmax: [coerced],
  Hardmax: [coerced],
  TopK: [maximumK],
};
