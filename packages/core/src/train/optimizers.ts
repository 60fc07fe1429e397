import type { Value } from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { adafactor, muon } from './matrix-optimizers.ts';
import { adam, average, decayed, type MakeRule, penalized } from './optimizer-rules.ts';
import type { Optimizer } from './types.ts';

type Options = Readonly<Record<string, number | boolean>>;

/** Optimizers by name, each a pair of pure functions. */
const OPTIMIZERS: Readonly<Record<string, MakeRule>> = {
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
        const { ops, learningRate } = ctx;
        const g = penalized(ops, gradient, parameter, ctx);
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
        const { ops, learningRate } = ctx;
        const g = penalized(ops, gradient, parameter, ctx);
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
        const { ops, learningRate } = ctx;
        const g = penalized(ops, gradient, parameter, ctx);
        const sum = ops.add(state['sum'] as Value, ops.mul(g, g));
        const step = ops.div(g, ops.add(ops.sqrt(sum), epsilon));
        return { parameter: ops.sub(parameter, ops.mul(step, learningRate)), state: { sum } };
      },
    };
  },
  adafactor,
  muon,
};

/**
 * A built-in optimizer.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG` for an option that it does not have, or of another type.
 */
export function builtinOptimizer(name: string, options: Options = {}): Optimizer | undefined {
  const make = Object.hasOwn(OPTIMIZERS, name) ? OPTIMIZERS[name] : undefined;
  if (make === undefined) return undefined;
  const path = (key: string): string[] => ['train', 'optimizer', key];
  const known = new Set<string>();
  const rule = make((key, fallback) => {
    known.add(key);
    const value = Object.hasOwn(options, key) ? options[key] : fallback;
    if (typeof value !== typeof fallback || Number.isNaN(value)) {
      const message = `option \`${key}\` of optimizer \`${name}\` must be a ${typeof fallback}, received ${String(value)}`;
      throw new AnnealError('ANNEAL_E_CONFIG', message, { path: path(key) });
    }
    return value as typeof fallback;
  });
  for (const key of Object.keys(options)) {
    if (known.has(key)) continue;
    const near = suggest(key, known);
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    throw new AnnealError('ANNEAL_E_CONFIG', `optimizer \`${name}\` has no option \`${key}\`${hint}`, {
      path: path(key),
      fix: `use ${[...known].join(', ') || 'none'}`,
    });
  }
  return { name, ...rule };
}

/** Names of the built-in optimizers. */
export function optimizerNames(): readonly string[] {
  return Object.keys(OPTIMIZERS);
}
