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

/** `decay · previous + (1 - decay) · value`. */
export function average(ops: Ops, previous: Value, value: Value, decay: number): Value {
  return ops.add(ops.mul(previous, decay), ops.mul(value, 1 - decay));
}

/** Adam's moments with bias correction folded into the step size, so the big tensors see few operations. */
export function adam(option: Parameters<MakeRule>[0], decoupled: boolean): UpdateRule {
  const [beta1, beta2, epsilon] = [option('beta1', 0.9), option('beta2', 0.999), option('epsilon', 1e-8)];
  return {
    state: (shape) => ({ m: shape, v: shape }),
    update: (parameter, gradient, state, ctx) => {
      const { ops, learningRate, step } = ctx;
      const g = decoupled ? gradient : penalized(ops, gradient, parameter, ctx);
      const m = average(ops, state['m'] as Value, g, beta1);
      const v = average(ops, state['v'] as Value, ops.mul(g, g), beta2);
      const correction1 = ops.sub(1, ops.pow(beta1, step));
      const correction2 = ops.sqrt(ops.sub(1, ops.pow(beta2, step)));
      const size = ops.div(ops.mul(learningRate, correction2), correction1);
      const denominator = ops.add(ops.sqrt(v), ops.mul(correction2, epsilon));
      const start = decoupled ? decayed(ops, parameter, ctx) : parameter;
      return { parameter: ops.sub(start, ops.mul(ops.div(m, denominator), size)), state: { m, v } };
    },
  };
}
