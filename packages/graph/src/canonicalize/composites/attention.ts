import type { GraphBuilder } from '../../builder.ts';
import { attr, type Node, type Value } from '../../ir.ts';
import { defineRewrite, type Match, type Rewrite } from '../../rewrites/define.ts';
import { op } from '../../rewrites/pattern.ts';
import { tensor } from '../../tensor.ts';
import { appended, attend, causalMask, joinHeads, sizesOf, splitHeads } from './sdpa.ts';

/** The scale of scores: given, or one over the root of a head's size. */
function scaleOf(node: Node, size: number): number {
  const given = attr.float(node, 'scale', 0);
  return given === 0 ? 1 / Math.sqrt(size) : given;
}

/**
 * com.microsoft masks: `[batch]` lengths, `[batch, keys]`, `[batch, queries, keys]`, 0 for what is hidden. Hidden scores
 * get `mask_filter_value` added, as the runtime does.
 */
function filterOf(match: Match, mask: Value, keys: number, dtype: Value['dtype']): Value | undefined {
  const { g, ops, node } = match;
  let visible: Value;
  if (mask.rank === 1) {
    if (mask.shape[0] !== match.inputs[0]?.shape[0]) return undefined;
    const positions = g.constant(
      tensor(
        'int32',
        [1, keys],
        Array.from({ length: keys }, (_, i) => i),
      ),
    );
    visible = ops.cast(ops.less(positions, ops.expandDims(ops.cast(mask, 'int32'), [1])), dtype);
  } else visible = ops.cast(mask, dtype);
  if (mask.rank > 3) return undefined;
  const axes = mask.rank === 3 ? [1] : [1, 2];
  const filter = attr.float(node, 'mask_filter_value', -10000);
  return ops.expandDims(ops.mul(ops.sub(1, visible), filter), axes);
}

interface Heads {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

/** Attention of com.microsoft once queries, keys and values are apart; keys and values include the past. */
function masked(match: Match, { q, k, v }: Heads, mask: Value | undefined, bias: Value | undefined): Value | undefined {
  const { g, node } = match;
  const [, , length, size] = sizesOf(q) ?? [];
  const keys = sizesOf(k)?.[2];
  if (length === undefined || size === undefined || keys === undefined) return undefined;
  const filter = mask && filterOf(match, mask, keys, q.dtype);
  if (mask && filter === undefined) return undefined;
  const causal = attr.int(node, 'unidirectional', 0) === 1;
  return joinHeads(
    g,
    attend(g, {
      q,
      k,
      v,
      scale: scaleOf(node, size),
      biases: [filter, bias].filter((value): value is Value => value !== undefined),
      masks: causal ? [causalMask(g, length, keys, keys - length)] : [],
    }),
  );
}

/** One part of a vector, or the vector's part of packed biases. */
const part = (g: GraphBuilder, x: Value, start: number, length: number): Value =>
  g.ops.slice(x, [{ axis: -1, start, end: start + length }]);

/** Inputs: x, weights of all three, bias, mask, past, bias of scores. Outputs: y, present (keys and values stacked). */
const msAttention: Rewrite = defineRewrite({
  name: 'Attention',
  pattern: op('com.microsoft.Attention', undefined, {
    where: (node) => attr.int(node, 'do_rotary', 0) === 0 && attr.int(node, 'past_present_share_buffer', 0) === 0,
  }),
  replace: (match) => {
    const { node, inputs, g, ops } = match;
    const [x, weights, bias, mask, past, scoreBias] = inputs;
    const width = weights?.shape[1];
    if (!x || !weights || typeof width !== 'number' || sizesOf(x) === undefined) return undefined;
    const heads = attr.int(node, 'num_heads', 1);
    const sizes = attr.ints(node, 'qkv_hidden_sizes') ?? [width / 3, width / 3, width / 3];
    const product = ops.matmul(x, weights);
    const [q, k, v] = ops
      .split(bias ? ops.add(product, bias) : product, sizes, { axis: -1 })
      .map((value) => splitHeads(g, value, heads)) as [Value, Value, Value];
    const before = (at: number): Value | undefined => past && ops.take(past, g.scalar(at, 'int64'));
    const [keys, values] = [appended(g, before(0), k), appended(g, before(1), v)];
    const y = masked(match, { q, k: keys, v: values }, mask, scoreBias);
    const present = (): Value => ops.concat([ops.expandDims(keys, [0]), ops.expandDims(values, [0])], { axis: 0 });
    return y && [y, node.outputs[1] && present()];
  },
});

/**
 * Inputs: queries, keys, values, bias of all three, mask, bias of scores, past keys, past values. Packed forms: queries
 * `[batch, length, heads, 3, size]`, keys `[batch, length, heads, 2, size]`, or keys and values with the heads apart.
 */
const multiHead: Rewrite = defineRewrite({
  name: 'MultiHeadAttention',
  pattern: op('com.microsoft.MultiHeadAttention', undefined, {
    where: ({ inputs, outputs }) => inputs.slice(8).every((value) => !value) && outputs[3] === undefined,
  }),
  replace: (match) => {
    const { node, inputs, g } = match;
    const [, , , , mask, scoreBias, pastKeys, pastValues] = inputs;
    const apart = separated(match, attr.int(node, 'num_heads', 1));
    if (apart === undefined) return undefined;
    const [keys, values] = [appended(g, pastKeys, apart.k), appended(g, pastValues, apart.v)];
    const y = masked(match, { q: apart.q, k: keys, v: values }, mask, scoreBias);
    return y && [y, keys, values];
  },
});

/** Queries, keys and values of MultiHeadAttention, with their heads split and biases added. */
function separated({ inputs, g, ops }: Match, heads: number): Heads | undefined {
  const [query, key, value, bias] = inputs;
  if (query === undefined) return undefined;
  const unpacked = (packed: Value, at: number): Value =>
    ops.transpose(ops.take(packed, g.scalar(at, 'int64'), { axis: 3 }), [0, 2, 1, 3]);
  if (query.rank === 5) return { q: unpacked(query, 0), k: unpacked(query, 1), v: unpacked(query, 2) };
  const width = query.shape[2];
  if (typeof width !== 'number') return undefined;
  const added = (x: Value, start: number): Value => {
    const size = x.shape[2] as number;
    return splitHeads(g, bias ? ops.add(x, part(g, bias, start, size)) : x, heads);
  };
  const q = added(query, 0);
  if (key?.rank === 5) return bias ? undefined : { q, k: unpacked(key, 0), v: unpacked(key, 1) };
  if (!key || !value) return undefined;
  if (key.rank === 4) return { q, k: key, v: value };
  return { q, k: added(key, width), v: added(value, 2 * width) };
}

export const attentions: readonly Rewrite[] = [msAttention, multiHead];
