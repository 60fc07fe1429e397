import type { Ops, Value } from '@anneal/graph';

import type { MakeRule, UpdateRule } from './optimizer-rules.ts';
import { adam, average, decayed } from './optimizer-rules.ts';

/** Smallest difference from 1 in float32. */
const FLOAT32_EPSILON = 2 ** -23;
const sizeOf = (value: Value): number => value.dims.reduce((a, b) => a * b, 1);
const rms = (ops: Ops, value: Value): Value => ops.div(ops.norm(value), Math.sqrt(sizeOf(value)));

/**
 * Adafactor as PyTorch defines it (Shazeer & Stern, 2018): the second moment of a matrix is the product of a column and
 * a row, so that state is O(rows + columns). The step is relative to the size of the parameter.
 */
export const adafactor: MakeRule = (option) => {
  const [decay, threshold] = [option('beta2Decay', -0.8), option('clipThreshold', 1)];
  const [epsilon1, epsilon2] = [option('epsilon1', FLOAT32_EPSILON), option('epsilon2', 1e-3)];
  const second = (ops: Ops, g: Value, state: Readonly<Record<string, Value>>, rate: Value): [Value, typeof state] => {
    const mix = (name: string, value: Value): Value => {
      const before = state[name] as Value;
      return ops.add(before, ops.mul(ops.sub(value, before), rate));
    };
    const square = ops.mul(g, g);
    if (g.rank < 2) {
      const v = mix('v', square);
      return [v, { v }];
    }
    const row = mix('row', ops.mean(square, { axes: [-1], keepdims: true }));
    const column = mix('column', ops.mean(square, { axes: [-2], keepdims: true }));
    const mean = ops.maximum(ops.mean(row, { axes: [-2], keepdims: true }), epsilon1);
    return [ops.div(ops.mul(row, column), mean), { row, column }];
  };
  return {
    state: (shape): Readonly<Record<string, readonly number[]>> =>
      shape.length < 2 ? { v: shape } : { row: shape.with(-1, 1), column: shape.with(-2, 1) },
    update: (parameter, gradient, state, ctx) => {
      const { ops, learningRate, step } = ctx;
      const [v, next] = second(ops, gradient, state, ops.pow(step, decay));
      const update = ops.div(gradient, ops.sqrt(ops.maximum(v, epsilon1 * epsilon1)));
      const relative = ops.minimum(learningRate, ops.reciprocal(ops.sqrt(step)));
      const size = ops.mul(ops.maximum(rms(ops, parameter), epsilon2), relative);
      const clipped = ops.div(size, ops.maximum(ops.div(rms(ops, update), threshold), 1));
      return { parameter: ops.sub(decayed(ops, parameter, ctx), ops.mul(update, clipped)), state: next };
    },
  };
};

/** Coefficients of the quintic iteration (Jordan et al., 2024): steepest at 0, not convergent to exactly 1. */
const QUINTIC = [3.4445, -4.775, 2.0315] as const;

/**
 * Newton-Schulz iteration that moves every singular value of a matrix towards 1: in five steps those above a hundredth
 * of the matrix's norm come between 0.68 and 1.14.
 */
export function orthogonalized(ops: Ops, matrix: Value, steps: number): Value {
  const [a, b, c] = QUINTIC;
  const [rows, columns] = matrix.dims as [number, number];
  // The Gram matrix of the shorter side is the smaller one.
  const tall = rows > columns;
  let x = ops.div(matrix, ops.maximum(ops.norm(matrix), 1e-7));
  for (let i = 0; i < steps; i++) {
    const gram = tall ? ops.matmul(x, x, { transposeA: true }) : ops.matmul(x, x, { transposeB: true });
    const polynomial = ops.add(ops.mul(gram, b), ops.matmul(gram, gram, { alpha: c }));
    x = ops.add(ops.mul(x, a), tall ? ops.matmul(x, polynomial) : ops.matmul(polynomial, x));
  }
  return x;
}

/** Matrices that are no map between hidden layers: rows are looked up, or columns are classes. */
const OUTER = /embed|\bwte\b|\bwpe\b|lm_head|classifier|\bscore\b|\bhead\b/i;

/**
 * Muon (Jordan et al., 2024), as in PyTorch: momentum, orthogonalised, for the matrices of hidden layers. Vectors,
 * embeddings and heads (by name) take AdamW at `adamRatio` times the learning rate.
 */
export const muon: MakeRule = (option) => {
  const [momentum, nesterov, steps] = [option('momentum', 0.95), option('nesterov', true), option('steps', 5)];
  const ratio = option('adamRatio', 0.015);
  const other = adam(option, true);
  const isHidden = (shape: readonly number[], name: string): boolean =>
    shape.length === 2 && shape.every((dim) => dim > 1) && !OUTER.test(name);
  const update: UpdateRule['update'] = (parameter, gradient, state, ctx) => {
    const { ops, learningRate, name, transposed } = ctx;
    if (!isHidden(parameter.dims, name)) {
      return other.update(parameter, gradient, state, { ...ctx, learningRate: ops.mul(learningRate, ratio) });
    }
    const m = average(ops, state['m'] as Value, gradient, momentum);
    const direction = orthogonalized(ops, nesterov ? average(ops, gradient, m, 1 - momentum) : m, steps);
    const [rows, columns] = parameter.dims as [number, number];
    // Outputs over inputs.
    const scale = Math.sqrt(Math.max(1, transposed ? columns / rows : rows / columns));
    const size = ops.mul(learningRate, scale);
    return { parameter: ops.sub(decayed(ops, parameter, ctx), ops.mul(direction, size)), state: { m } };
  };
  return {
    state: (shape, name): Readonly<Record<string, readonly number[]>> =>
      isHidden(shape, name) ? { m: shape } : other.state(shape, name),
    update,
  };
};
