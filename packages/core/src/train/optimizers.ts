import type { Ops, Value } from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import type { Optimizer, UpdateContext } from './types.ts';

type Options = Readonly<Record<string, number | boolean>>;
type Make = (option: <T extends number | boolean>(name: string, fallback: T) => T) => Omit<Optimizer, 'name'>;

/** `parameter · (1 - lr · decay)`: decay that does not pass through the moments (Loshchilov & Hutter, 2019). */
function decayed(ops: Ops, parameter: Value, { learningRate, weightDecay }: UpdateContext): Value {
  return weightDecay === 0 ? parameter : ops.mul(parameter, ops.sub(1, ops.mul(learningRate, weightDecay)));
}

/** `decay · average + (1 - decay) · value`. */
function average(ops: Ops, previous: Value, value: Value, decay: number): Value {
  return ops.add(ops.mul(previous, decay), ops.mul(value, 1 - decay));
}

/** Adam's moments with bias correction folded into the step size, so the big tensors see few operations. */
function adam(option: Parameters<Make>[0], decoupled: boolean): Omit<Optimizer, 'name'> {
  const [beta1, beta2, epsilon] = [option('beta1', 0.9), option('beta2', 0.999), option('epsilon', 1e-8)];
  return {
    state: (shape) => ({ m: shape, v: shape }),
    update: (parameter, gradient, state, ctx) => {
      const { ops, learningRate, step, weightDecay } = ctx;
      const g = !decoupled && weightDecay !== 0 ? ops.add(gradient, ops.mul(parameter, weightDecay)) : gradient;
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

/** Optimizers by name, each a pair of pure functions. */
const OPTIMIZERS: Readonly<Record<string, Make>> = {
  /** Kingma & Ba, 2015, with decoupled decay (Loshchilov & Hutter, 2019). */
  adamw: (option) => adam(option, true),
  /** Kingma & Ba, 2015; weight decay is added to the gradient, as in PyTorch. */
  adam: (option) => adam(option, false),
  /** With `momentum` (Polyak, 1964) and `nesterov` (Sutskever et al., 2013), as PyTorch defines them. */
  sgd: (option) => {
    const [momentum, nesterov] = [option('momentum', 0), option('nesterov', false)];
    return {
      state: (shape): Readonly<Record<string, readonly number[]>> => (momentum === 0 ? {} : { velocity: shape }),
      update: (parameter, gradient, state, ctx) => {
        const { ops, learningRate, weightDecay } = ctx;
        const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(parameter, weightDecay));
        if (momentum === 0) return { parameter: ops.sub(parameter, ops.mul(g, learningRate)), state: {} };
        const velocity = ops.add(ops.mul(state['velocity'] as Value, momentum), g);
        const direction = nesterov ? ops.add(g, ops.mul(velocity, momentum)) : velocity;
        return { parameter: ops.sub(parameter, ops.mul(direction, learningRate)), state: { velocity } };
      },
    };
  },
  /** Chen et al., 2023: the sign of an interpolated momentum. */
  lion: (option) => {
    const [beta1, beta2] = [option('beta1', 0.9), option('beta2', 0.99)];
    return {
      state: (shape) => ({ m: shape }),
      update: (parameter, gradient, state, ctx) => {
        const { ops, learningRate } = ctx;
        const previous = state['m'] as Value;
        const direction = ops.sign(average(ops, previous, gradient, beta1));
        return {
          parameter: ops.sub(decayed(ops, parameter, ctx), ops.mul(direction, learningRate)),
          state: { m: average(ops, previous, gradient, beta2) },
        };
      },
    };
  },
  /** Tieleman & Hinton, 2012, as PyTorch defines it. */
  rmsprop: (option) => {
    const [alpha, epsilon] = [option('alpha', 0.99), option('epsilon', 1e-8)];
    return {
      state: (shape) => ({ v: shape }),
      update: (parameter, gradient, state, ctx) => {
        const { ops, learningRate, weightDecay } = ctx;
        const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(parameter, weightDecay));
        const v = average(ops, state['v'] as Value, ops.mul(g, g), alpha);
        const step = ops.div(g, ops.add(ops.sqrt(v), epsilon));
        return { parameter: ops.sub(parameter, ops.mul(step, learningRate)), state: { v } };
      },
    };
  },
  /** Duchi et al., 2011. */
  adagrad: (option) => {
    const epsilon = option('epsilon', 1e-10);
    return {
      state: (shape) => ({ sum: shape }),
      update: (parameter, gradient, state, ctx) => {
        const { ops, learningRate, weightDecay } = ctx;
        const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(parameter, weightDecay));
        const sum = ops.add(state['sum'] as Value, ops.mul(g, g));
        const step = ops.div(g, ops.add(ops.sqrt(sum), epsilon));
        return { parameter: ops.sub(parameter, ops.mul(step, learningRate)), state: { sum } };
      },
    };
  },
};

/**
 * A built-in optimizer.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG` for an unknown option.
 */
export function builtinOptimizer(name: string, options: Options = {}): Optimizer | undefined {
  const make = Object.hasOwn(OPTIMIZERS, name) ? OPTIMIZERS[name] : undefined;
  if (make === undefined) return undefined;
  const known = new Set<string>();
  const rule = make((key, fallback) => {
    known.add(key);
    return (options[key] ?? fallback) as typeof fallback;
  });
  for (const key of Object.keys(options)) {
    if (!known.has(key)) {
      throw new AnnealError('ANNEAL_E_CONFIG', `optimizer \`${name}\` has no option \`${key}\``, {
        path: ['train', 'optimizer', key],
        fix: `use ${[...known].join(', ') || 'none'}`,
      });
    }
  }
  return { name, ...rule };
}

/** Names of the built-in optimizers. */
export function optimizerNames(): readonly string[] {
  return Object.keys(OPTIMIZERS);
}
