import type { Dim, Ops, Value } from '@anneal/graph';

import { pointwise } from '../../trace/traced.ts';
import type { OpContext, OpRule } from '../context.ts';
import { Item } from '../item.ts';

/** An operator on each element. */
function unary(fn: (x: Value, node: OpContext) => Value): OpRule {
  return (node) => Item.of(node.traced(0).map((x) => fn(x, node)));
}

/** An operator on two tensors that broadcast; of sizes of tensors also on what is known of them. */
function binary(fn: (a: Value, b: Value, ops: Ops) => Value, ofDims?: (a: Dim, b: Dim) => Dim | undefined): OpRule {
  return (node) => {
    const make = () =>
      pointwise(node.g, [node.traced(0), node.traced(1)], ([a, b]) => fn(a as Value, b as Value, node.ops));
    const contents = ofDims && dimsOf(node, ofDims);
    return contents === undefined ? Item.of(make()) : new Item({ make, contents });
  };
}

function dimsOf(node: OpContext, fn: (a: Dim, b: Dim) => Dim | undefined): readonly Dim[] | undefined {
  const [a, b] = [node.item(0).contents, node.item(1).contents];
  if (a === undefined || b === undefined) return undefined;
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) return undefined;
  const out = Array.from({ length: Math.max(a.length, b.length) }, (_, i) =>
    fn((a.length === 1 ? a[0] : a[i]) as Dim, (b.length === 1 ? b[0] : b[i]) as Dim),
  );
  return out.includes(undefined) ? undefined : (out as readonly Dim[]);
}

const both =
  (fn: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim | undefined =>
    typeof a === 'number' && typeof b === 'number' ? fn(a, b) : undefined;

/** A size times one is that size. */
export const times = (a: Dim, b: Dim): Dim | undefined => (a === 1 ? b : b === 1 ? a : both((x, y) => x * y)(a, b));

const alone =
  (op: string) =>
  (x: Value, { g }: OpContext): Value =>
    g.one(op, [x]);

const floorDiv = (a: Value, b: Value, ops: Ops): Value => {
  if (a.dtype === 'float32') return ops.floor(ops.div(a, b));
  const [x, y] = [ops.cast(a, 'float32'), ops.cast(b, 'float32')];
  return ops.cast(ops.floor(ops.div(x, y)), a.dtype);
};

/** The remainder has the sign of the divisor. */
const floorMod = (a: Value, b: Value, ops: Ops): Value => {
  if (a.dtype !== 'float32') return ops.graph.one('Mod', [a, b]);
  return ops.sub(a, ops.mul(ops.floor(ops.div(a, b)), b));
};

const select: OpRule = (node) => {
  const [condition, a, b] = [node.item(0), node.item(1), node.item(2)];
  const empty = condition.text?.emptyOf;
  // Rows without ids are zeros already.
  if (empty !== undefined && a.isZeros && b.sumOf === empty) return b;
  return Item.of(
    pointwise(node.g, [conditionOf(node), node.traced(1), node.traced(2)], ([c, x, y]) =>
      node.ops.where(c as Value, x as Value, y as Value),
    ),
  );
};

/** The old operator selects whole rows by a vector. */
function conditionOf(node: OpContext) {
  const [condition, a] = [node.traced(0), node.traced(1)];
  if (node.op !== 'Select' || condition.rank !== 1 || a.rank < 2) return condition;
  const axes = Array.from({ length: a.rank - 1 }, (_, i) => i + 1);
  return node.result(node.ops.expandDims(condition.last, axes)).traced(() => node.error('no condition'));
}

const clip: OpRule = (node) => {
  const [low, high] = [node.item(1).weight, node.item(2).weight];
  const [min, max] = [low?.data[0], high?.data[0]];
  if (min === undefined || max === undefined) {
    return Item.of(
      pointwise(node.g, [node.traced(0), node.traced(1), node.traced(2)], ([x, a, b]) =>
        node.ops.minimum(node.ops.maximum(x as Value, a as Value), b as Value),
      ),
    );
  }
  return Item.of(node.traced(0).map((x) => node.ops.clip(x, { min: Number(min), max: Number(max) })));
};

const cast: OpRule = (node) => {
  const { text, contents } = node.item(0);
  if (text !== undefined) return node.item(0);
  const dtype = node.attrType('DstT');
  const make = () => node.traced(0).map((x) => node.ops.cast(x, dtype));
  return contents !== undefined && dtype === 'int64' ? new Item({ make, contents }) : Item.of(make());
};

const addN: OpRule = (node) =>
  Item.of(
    pointwise(
      node.g,
      node.inputs.map((_, i) => node.traced(i)),
      (values) => values.reduce((a, b) => node.ops.add(a, b)),
    ),
  );

/** Activations that fused operators name too. */
export const ACTIVATIONS: Readonly<Record<string, (x: Value, node: OpContext) => Value>> = {
  Relu: (x, { ops }) => ops.relu(x),
  Relu6: (x, { ops }) => ops.clip(x, { min: 0, max: 6 }),
  Elu: (x, { ops }) => ops.elu(x),
  Sigmoid: (x, { ops }) => ops.sigmoid(x),
  Tanh: (x, { ops }) => ops.tanh(x),
  LeakyRelu: (x, node) =>
    node.ops.leakyRelu(x, { alpha: node.attrFloat(node.op === 'LeakyRelu' ? 'alpha' : 'leakyrelu_alpha', 0.2) }),
};

const identity: OpRule = (node) => node.item(0);

export const elementwiseRules: Readonly<Record<string, OpRule>> = {
  ...Object.fromEntries(Object.entries(ACTIVATIONS).map(([op, fn]) => [op, unary(fn)])),
  Add: binary(
    (a, b, ops) => ops.add(a, b),
    both((a, b) => a + b),
  ),
  AddV2: binary(
    (a, b, ops) => ops.add(a, b),
    both((a, b) => a + b),
  ),
  AddN: addN,
  Sub: binary(
    (a, b, ops) => ops.sub(a, b),
    both((a, b) => a - b),
  ),
  Mul: binary((a, b, ops) => ops.mul(a, b), times),
  Div: binary((a, b, ops) => ops.div(a, b)),
  RealDiv: binary((a, b, ops) => ops.div(a, b)),
  DivNoNan: binary((a, b, ops) => ops.where(ops.equal(b, 0), 0, ops.div(a, b))),
  FloorDiv: binary(
    floorDiv,
    both((a, b) => Math.floor(a / b)),
  ),
  FloorMod: binary(floorMod),
  Mod: binary((a, b, ops) =>
    ops.graph.one('Mod', [a, b], { attributes: { fmod: { int: Number(a.dtype === 'float32') } } }),
  ),
  Pow: binary((a, b, ops) => ops.pow(a, b)),
  Maximum: binary((a, b, ops) => ops.maximum(a, b), both(Math.max)),
  Minimum: binary((a, b, ops) => ops.minimum(a, b), both(Math.min)),
  SquaredDifference: binary((a, b, ops) => {
    const difference = ops.sub(a, b);
    return ops.mul(difference, difference);
  }),
  Equal: binary((a, b, ops) => ops.equal(a, b)),
  NotEqual: binary((a, b, ops) => ops.logicalNot(ops.equal(a, b))),
  Greater: binary((a, b, ops) => ops.greater(a, b)),
  GreaterEqual: binary((a, b, ops) => ops.greaterEqual(a, b)),
  Less: binary((a, b, ops) => ops.less(a, b)),
  LessEqual: binary((a, b, ops) => ops.lessEqual(a, b)),
  LogicalAnd: binary((a, b, ops) => ops.logicalAnd(a, b)),
  LogicalOr: binary((a, b, ops) => ops.logicalOr(a, b)),
  LogicalNot: unary((x, { ops }) => ops.logicalNot(x)),
  Select: select,
  SelectV2: select,
  ClipByValue: clip,
  Cast: cast,
  Neg: unary((x, { ops }) => ops.neg(x)),
  Abs: unary((x, { ops }) => ops.abs(x)),
  Sign: unary((x, { ops }) => ops.sign(x)),
  Square: unary((x, { ops }) => ops.mul(x, x)),
  Sqrt: unary((x, { ops }) => ops.sqrt(x)),
  Rsqrt: unary((x, { ops }) => ops.reciprocal(ops.sqrt(x))),
  Reciprocal: unary((x, { ops }) => ops.reciprocal(x)),
  Inv: unary((x, { ops }) => ops.reciprocal(x)),
  Exp: unary((x, { ops }) => ops.exp(x)),
  Expm1: unary((x, { ops }) => ops.sub(ops.exp(x), 1)),
  Log: unary((x, { ops }) => ops.log(x)),
  Log1p: unary((x, { ops }) => ops.log(ops.add(x, 1))),
  Erf: unary((x, { ops }) => ops.erf(x)),
  Sin: unary((x, { ops }) => ops.sin(x)),
  Cos: unary((x, { ops }) => ops.cos(x)),
  Tan: unary(alone('Tan')),
  Atan: unary(alone('Atan')),
  Softplus: unary((x, { ops }) => ops.softplus(x)),
  Softsign: unary(alone('Softsign')),
  Selu: unary(alone('Selu')),
  Floor: unary((x, { ops }) => ops.floor(x)),
  Ceil: unary(alone('Ceil')),
  Round: unary((x, { ops }) => ops.round(x)),
  IsNan: unary((x, { ops }) => ops.isNaN(x)),
  Prelu: (node) =>
    Item.of(pointwise(node.g, [node.traced(0), node.traced(1)], ([x, slope]) => node.g.one('PRelu', [x, slope]))),
  Identity: identity,
  Snapshot: identity,
  StopGradient: unary((x, { ops }) => ops.stopGradient(x)),
  PreventGradient: identity,
  CheckNumerics: identity,
  EnsureShape: identity,
};
