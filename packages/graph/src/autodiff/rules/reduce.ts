import type { Value } from '../../ir.ts';
import { product, reducedAxes, reshaped } from '../shapes.ts';
import type { VjpContext, VjpRule } from '../types.ts';

interface Reduction {
  readonly x: Value;
  /** The result and its gradient, with the reduced axes kept as 1. */
  readonly y: Value;
  readonly dy: Value;
  readonly axes: readonly number[];
  /** Elements that one result is made of. */
  readonly count: number;
}

/** The axes input has no gradient. */
function reduction(derivative: (c: VjpContext, r: Reduction) => Value): VjpRule {
  return (c) => [
    () => {
      const x = c.x(0);
      const { axes, kept } = reducedAxes(c);
      const count = product(axes.map((axis) => x.dims[axis] as number));
      return derivative(c, {
        x,
        axes,
        count,
        dy: keep(c, c.dy, kept),
        get y(): Value {
          return keep(c, c.y(0), kept);
        },
      });
    },
  ];
}

/** A scalar broadcasts as it is. */
function keep(c: VjpContext, value: Value, kept: readonly number[]): Value {
  return value.rank === 0 ? value : reshaped(c.ops, value, kept);
}

function expand(c: VjpContext, grad: Value, x: Value): Value {
  return grad.shape.join() === x.shape.join() ? grad : c.ops.broadcastTo(grad, x.dims);
}

/** Elements that tie share the gradient equally. */
const extremum: VjpRule = reduction((c, { x, y, dy, axes }) => {
  const mask = c.ops.cast(c.ops.equal(x, y), dy.dtype);
  return c.ops.mul(mask, c.ops.div(dy, c.ops.sum(mask, { axes, keepdims: true })));
});

/** The product of the others; by division, except where a single zero would make that 0/0. */
const reduceProd: VjpRule = reduction((c, { x, dy, axes }) => {
  const { ops } = c;
  const isZero = ops.equal(x, 0);
  const zeros = ops.sum(ops.cast(isZero, x.dtype), { axes, keepdims: true });
  const nonZero = ops.where(isZero, 1, x);
  const rest = c.g.one('ReduceProd', [nonZero, c.g.ints(axes)], {
    attributes: { keepdims: { int: 1 }, noop_with_empty_axes: { int: 1 } },
  });
  const others = ops.div(rest, nonZero);
  // `zeros` besides the element itself: none are left, or the product of the others is 0.
  const left = ops.sub(zeros, ops.cast(isZero, x.dtype));
  return ops.mul(dy, ops.where(ops.equal(left, 0), others, 0));
});

export const reduceRules: Record<
  | 'ReduceL1'
  | 'ReduceL2'
  | 'ReduceLogSum'
  | 'ReduceLogSumExp'
  | 'ReduceMax'
  | 'ReduceMean'
  | 'ReduceMin'
  | 'ReduceProd'
  | 'ReduceSum'
  | 'ReduceSumSquare',
  VjpRule
> = {
  ReduceL1: reduction(({ ops }, { x, dy }) => ops.mul(ops.sign(x), dy)),
  // At the origin the norm has no slope; 0 is a subgradient.
  ReduceL2: reduction(({ ops }, { x, y, dy }) => ops.mul(x, ops.div(dy, ops.where(ops.equal(y, 0), 1, y)))),
  ReduceLogSum: reduction((c, { x, y, dy }) => expand(c, c.ops.mul(dy, c.ops.exp(c.ops.neg(y))), x)),
  ReduceLogSumExp: reduction(({ ops }, { x, y, dy }) => ops.mul(dy, ops.exp(ops.sub(x, y)))),
  ReduceMax: extremum,
  ReduceMean: reduction((c, { x, dy, count }) => expand(c, count === 1 ? dy : c.ops.mul(dy, 1 / count), x)),
  ReduceMin: extremum,
  ReduceProd: reduceProd,
  ReduceSum: reduction((c, { x, dy }) => expand(c, dy, x)),
  ReduceSumSquare: reduction(({ ops }, { x, dy }) => ops.mul(x, ops.mul(dy, 2))),
};
