import type { Ops, Value } from '@anneal/graph';

import type { Optimizer, UpdateContext } from './types.ts';

/** An optimizer without its name. */
export type UpdateRule = Omit<Optimizer, 'name'>;
/** Makes a rule; asks for every option that it has, with its default. */
export type MakeRule = (option: <T extends number | boolean>(name: string, fallback: T) => T) => UpdateRule;

/** `parameter · (1 - lr · decay)`: decay that does not pass through the moments (Loshchilov & Hutter, 2019). */
export function decayed(ops: Ops, parameter: Value, { learningRate, weightDecay }: UpdateContext): Value {
  return weightDecay === 0 ? parameter : ops.mul(parameter, ops.sub(1, ops.mul(learningRate, weightDecay)));
}

/** Weight decay as a part of the gradient, as PyTorch has it where it is not decoupled. */
export function penalized(ops: Ops, gradient: Value, parameter: Value, { weightDecay }: UpdateContext): Value {
  return weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(parameter, weightDecay));
}

/** `decay · previous + (1 - decay) · value`, as PyTorch's `lerp_`: one intermediate result less at a time. */
export function average(ops: Ops, previous: Value, value: Value, decay: number): Value {
  return ops.add(previous, ops.mul(ops.sub(value, previous), 1 - decay));
}

/**
 * Adam's moments with bias correction folded into the step size, so the big tensors see few operations; in an order in
 * which no more than one intermediate result of a parameter's size is needed at a time. For the same reason decoupled
 * decay, `p·(1 − λ) − s·u`, is written `p − λ·(p + u·s/λ)`.
 */
export function adam(option: Parameters<MakeRule>[0], decoupled: boolean): UpdateRule {
  const [beta1, beta2, epsilon] = [option('beta1', 0.9), option('beta2', 0.999), option('epsilon', 1e-8)];
  return {
    state: (shape) => ({ m: shape, v: shape }),
    update: (parameter, gradient, state, ctx) => {
      const { ops, learningRate, step, weightDecay } = ctx;
      const g = decoupled ? gradient : penalized(ops, gradient, parameter, ctx);
      const v = average(ops, state['v'] as Value, ops.mul(g, g), beta2);
      const correction1 = ops.sub(1, ops.pow(beta1, step));
      const correction2 = ops.sqrt(ops.sub(1, ops.pow(beta2, step)));
      const correction = ops.div(correction2, correction1);
      const denominator = ops.add(ops.sqrt(v), ops.mul(correction2, epsilon));
      const m = average(ops, state['m'] as Value, g, beta1);
      const direction = ops.div(m, denominator);
      if (!decoupled || weightDecay === 0) {
        const size = ops.mul(learningRate, correction);
        return { parameter: ops.sub(parameter, ops.mul(direction, size)), state: { m, v } };
      }
      // The learning rate, which may be 0, is in `λ` and in `s`.
      const pull = ops.add(parameter, ops.mul(direction, ops.div(correction, weightDecay)));
      return { parameter: ops.sub(parameter, ops.mul(pull, ops.mul(learningRate, weightDecay))), state: { m, v } };
    },
  };
}
