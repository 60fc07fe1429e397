import type { Dim, Ops, Value } from '@anneal/graph';

import { Json } from '../../format/json.ts';
import { Traced } from '../../trace/traced.ts';
import type { LayerRule } from '../context.ts';
import { single } from './dense.ts';

/** How the two directions of a bidirectional layer become one. */
const MERGES: Readonly<Record<string, (forward: Value, backward: Value, ops: Ops) => Value>> = {
  concat: (a, b, ops) => ops.concat([a, b], { axis: -1 }),
  sum: (a, b, ops) => ops.add(a, b),
  mul: (a, b, ops) => ops.mul(a, b),
  ave: (a, b, ops) => ops.mul(ops.add(a, b), 0.5),
};

/** The steps of a sequence from the last to the first. */
function reversedSteps(x: Value, ops: Ops): Value {
  return ops.slice(x, [{ axis: 1, start: -1, end: Number.MIN_SAFE_INTEGER, step: -1 }]);
}

/** A layer that reads the sequence in both directions: Schuster & Paliwal (1997). */
export function bidirectional(ruleOf: (inner: Json) => LayerRule): LayerRule {
  return (inputs, layer) => {
    const { g, ops, config } = layer;
    const x = single(inputs, layer);
    const inner = config.get('layer');
    const rule = ruleOf(inner);
    const place = inner.get('config');
    const name = place.get('name').string();
    const directions = [false, true].map((isBackward) => {
      const go = place.get('go_backwards').boolean(false) !== isBackward;
      const own = new Json(
        place.file,
        { ...(place.value as object), go_backwards: go, return_state: false },
        place.path,
      );
      const result = rule([x], layer.within(`${isBackward ? 'backward' : 'forward'}_${name}`, own));
      return result instanceof Traced ? result.last : ([...result][0] as Traced).last;
    });
    const [forward, backward] = directions as [Value, Value];
    const sequence = place.get('return_sequences').boolean(false);
    const mode = config.get('merge_mode').string('concat');
    const merge = Object.hasOwn(MERGES, mode) ? MERGES[mode] : undefined;
    if (merge === undefined) throw config.get('merge_mode').error(`must be ${Object.keys(MERGES).join(', ')}`);
    const aligned = sequence ? reversedSteps(backward, ops) : backward;
    return Traced.last(g, merge(forward, aligned, ops), sequence ? x.mask : undefined);
  };
}

/** A layer that sees each step alone: batch and time are one axis for it. */
export function timeDistributed(ruleOf: (inner: Json) => LayerRule): LayerRule {
  return (inputs, layer) => {
    const { g, ops, config } = layer;
    const x = single(inputs, layer);
    const inner = config.get('layer');
    const [batch, time, ...rest] = x.shape as [Dim, Dim, ...Dim[]];
    const open = rest.find((dim) => typeof dim === 'string');
    if (x.rank < 3 || open !== undefined)
      throw layer.error(`takes steps of known size, received [${x.shape.join(', ')}]`);
    const folded = ops.reshape(x.last, [-1, ...rest]);
    const own = layer.asWrapped(inner.get('config'));
    const result = ruleOf(inner)([Traced.last(g, folded)], own);
    if (!(result instanceof Traced)) throw layer.error('the layer inside has several outputs');
    const y = result.last;
    const [, ...features] = y.shape;
    const shape = typeof time === 'number' ? [-1, time, ...features] : [batch, time, ...features];
    const restored = typeof time === 'number' ? ops.reshape(y, shape) : unfolded(ops, y, x.last);
    return Traced.last(g, restored, x.mask);
  };
}

/** `[batch · time, …]` as `[batch, time, …]`, where both are known when the model runs. */
function unfolded(ops: Ops, y: Value, like: Value): Value {
  const g = ops.graph;
  const attributes = { start: { int: 0 }, end: { int: 2 } };
  const lead = g.one('Shape', [like], { attributes });
  const rest = g.ints(y.shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : -1)));
  return g.one('Reshape', [y, ops.concat([lead, rest], { axis: 0 })]);
}
