import type { Ops, Value } from '@anneal/graph';

import type { Json } from '../format/json.ts';
import { snake } from './context.ts';

export type Activation = (x: Value, ops: Ops) => Value;

/** Activations of Keras by name. Those over an axis need the tensor with its channels last. */
export const ACTIVATIONS: Readonly<Record<string, { readonly fn: Activation; readonly overAxis?: true }>> = {
  linear: { fn: (x) => x },
  relu: { fn: (x, ops) => ops.relu(x) },
  relu6: { fn: (x, ops) => ops.clip(x, { min: 0, max: 6 }) },
  elu: { fn: (x, ops) => ops.elu(x) },
  selu: { fn: (x, ops) => ops.graph.one('Selu', [x]) },
  sigmoid: { fn: (x, ops) => ops.sigmoid(x) },
  hard_sigmoid: { fn: (x, ops) => hardSigmoid(x, ops) },
  softplus: { fn: (x, ops) => ops.softplus(x) },
  softsign: { fn: (x, ops) => ops.graph.one('Softsign', [x]) },
  tanh: { fn: (x, ops) => ops.tanh(x) },
  swish: { fn: (x, ops) => ops.silu(x) },
  silu: { fn: (x, ops) => ops.silu(x) },
  mish: { fn: (x, ops) => ops.graph.one('Mish', [x]) },
  gelu: { fn: (x, ops) => ops.gelu(x) },
  gelu_new: { fn: (x, ops) => ops.gelu(x, { approximate: 'tanh' }) },
  exponential: { fn: (x, ops) => ops.exp(x) },
  softmax: { fn: (x, ops) => ops.softmax(x), overAxis: true },
  log_softmax: { fn: (x, ops) => ops.logSoftmax(x), overAxis: true },
};

/** `clip(x / 5 + 1 / 2, 0, 1)`. */
export function hardSigmoid(x: Value, ops: Ops): Value {
  return ops.graph.one('HardSigmoid', [x], { attributes: { alpha: { float: 0.2 }, beta: { float: 0.5 } } });
}

/** The activation that a config names; `linear` when it names none. */
export function activationOf(place: Json): { readonly fn: Activation; readonly overAxis?: true } {
  const given = place.isObject ? place.get('class_name') : place;
  const name = snake(given.string('linear'));
  const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (found !== undefined) return found;
  throw given.error(
    `the activation "${given.string()}" is not one of Keras`,
    `use one of ${Object.keys(ACTIVATIONS).join(', ')}`,
  );
}
