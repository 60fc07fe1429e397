import type { Dim, Ops, Shape, Value } from '@anneal/graph';

import { pointwise, Traced } from '../../trace/traced.ts';
import type { LayerContext, LayerRule } from '../context.ts';
import { single } from './dense.ts';

type Binary = (a: Value, b: Value, ops: Ops) => Value;

/** Two or more inputs, one after the other. */
function merged(fn: Binary, finish?: (sum: Value, count: number, ops: Ops) => Value): LayerRule {
  return (inputs, layer) => {
    atLeastTwo(inputs, layer);
    return pointwise(layer.g, sameRank(inputs, layer), (values) => {
      const all = values.reduce((a, b) => fn(a, b, layer.ops));
      return finish === undefined ? all : finish(all, values.length, layer.ops);
    });
  };
}

function atLeastTwo(inputs: readonly Traced[], layer: LayerContext): void {
  if (inputs.length < 2) throw layer.error(`takes at least two inputs, received ${inputs.length}`);
}

/** Keras puts new axes after the batch where ranks differ. */
function sameRank(inputs: readonly Traced[], { g, ops }: LayerContext): readonly Traced[] {
  const rank = Math.max(...inputs.map((input) => input.rank));
  return inputs.map((input) => {
    if (input.rank === rank) return input;
    const missing = Array.from({ length: rank - input.rank }, (_, i) => i + 1);
    return Traced.last(g, ops.expandDims(input.last, missing), input.mask);
  });
}

const concatenate: LayerRule = (inputs, layer) => {
  atLeastTwo(inputs, layer);
  const [first] = inputs as [Traced];
  const { rank } = first;
  const given = layer.config.get('axis').int(-1);
  const axis = given < 0 ? given + rank : given;
  if (axis < 1 || axis >= rank) throw layer.config.get('axis').error(`must be an axis of ${rank}, received ${given}`);
  const values = inputs.every((input) => input.isFirst && input.rank === rank);
  if (values) {
    const moved = axis === rank - 1 ? 1 : axis + 1;
    return Traced.first(
      layer.g,
      layer.ops.concat(
        inputs.map(({ first: value }) => value),
        { axis: moved },
      ),
    );
  }
  return Traced.last(
    layer.g,
    layer.ops.concat(
      inputs.map(({ last }) => last),
      { axis },
    ),
  );
};

/** Products of rows along one axis of each input. */
const dot: LayerRule = (inputs, layer) => {
  const { ops, config, g } = layer;
  const [a, b] = inputs;
  if (a === undefined || b === undefined || inputs.length !== 2) throw layer.error('takes two inputs');
  const place = config.get('axes');
  const axes = place.isArray ? place.items().map((item) => item.int()) : [place.int(), place.int()];
  const [i, j] = [a, b].map(({ rank }, n) => ((axes[n] ?? -1) < 0 ? (axes[n] ?? -1) + rank : (axes[n] as number)));
  if (a.rank < 2 || a.rank > 3 || b.rank < 2 || b.rank > 3 || i === undefined || j === undefined) {
    throw layer.error('takes matrices or sequences of vectors');
  }
  if (i < 1 || i >= a.rank || j < 1 || j >= b.rank) throw place.error(`must be axes after the batch`);
  const normalize = config.get('normalize').boolean(false);
  const [x, y] = [normalize ? normalized(a.last, i, ops) : a.last, normalize ? normalized(b.last, j, ops) : b.last];
  const rows = a.rank === 2 ? ops.expandDims(x, [1]) : i === 2 ? x : ops.transpose(x, [0, 2, 1]);
  const columns = b.rank === 2 ? ops.expandDims(y, [2]) : j === 1 ? y : ops.transpose(y, [0, 2, 1]);
  const product = ops.matmul(rows, columns);
  const gone = [...(a.rank === 2 ? [1] : []), ...(b.rank === 2 ? [2] : [])];
  if (gone.length === 2) return Traced.last(g, ops.squeeze(product, [2]));
  return Traced.last(g, gone.length === 0 ? product : ops.squeeze(product, gone));
};

function normalized(x: Value, axis: number, ops: Ops): Value {
  const length = ops.norm(x, { axes: [axis], keepdims: true });
  return ops.div(x, ops.maximum(length, 1e-7));
}

const flatten: LayerRule = (inputs, layer) => {
  const x = single(inputs, layer);
  const isFirst = layer.word('data_format', ['channels_last', 'channels_first'], 'channels_last') === 'channels_first';
  const value = isFirst && x.rank > 2 ? Traced.first(layer.g, x.last).last : x.last;
  return Traced.last(layer.g, layer.g.one('Flatten', [value], { attributes: { axis: { int: 1 } } }));
};

/** A row keeps its elements; one size may be left open. */
const reshape: LayerRule = (inputs, layer) => {
  const x = single(inputs, layer);
  const place = layer.config.get('target_shape');
  const sizes = place.items().map((item) => (item.exists ? item.int(undefined, -1) : -1));
  const own = product(x.shape.slice(1));
  const known = sizes.reduce((a, b) => (b === -1 ? a : a * b), 1);
  const fits = sizes.includes(-1) ? own === undefined || own % known === 0 : own === undefined || own === known;
  if (!fits) throw place.error(`[${sizes.join(', ')}] does not hold the ${own} elements of [${x.shape.join(', ')}]`);
  return Traced.last(layer.g, layer.ops.reshape(x.last, [x.shape[0] as Dim, ...sizes]));
};

function product(dims: Shape): number | undefined {
  return dims.every((dim) => typeof dim === 'number')
    ? (dims as readonly number[]).reduce((a, b) => a * b, 1)
    : undefined;
}

const permute: LayerRule = (inputs, layer) => {
  const dims = layer.config
    .get('dims')
    .items()
    .map((item) => item.int(undefined, 1));
  return Traced.last(layer.g, layer.ops.transpose(single(inputs, layer).last, [0, ...dims]));
};

const repeatVector: LayerRule = (inputs, layer) => {
  const { ops } = layer;
  const n = layer.config.get('n').int(undefined, 1);
  return Traced.last(layer.g, ops.tile(ops.expandDims(single(inputs, layer).last, [1]), [1, n, 1]));
};

export const mergeRules: Readonly<Record<string, LayerRule>> = {
  Add: merged((a, b, ops) => ops.add(a, b)),
  Subtract: merged((a, b, ops) => ops.sub(a, b)),
  Multiply: merged((a, b, ops) => ops.mul(a, b)),
  Average: merged(
    (a, b, ops) => ops.add(a, b),
    (sum, count, ops) => ops.mul(sum, 1 / count),
  ),
  Maximum: merged((a, b, ops) => ops.maximum(a, b)),
  Minimum: merged((a, b, ops) => ops.minimum(a, b)),
  Concatenate: concatenate,
  Dot: dot,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  RepeatVector: repeatVector,
};
