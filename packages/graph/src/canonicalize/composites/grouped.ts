import { type Attributes, attr, type Dim, type Value } from '../../ir.ts';
import { defineRewrite, type Match, type Rewrite } from '../../rewrites/define.ts';
import { op } from '../../rewrites/pattern.ts';
import { appended, attend, causalMask, joinHeads, sizesOf, splitHeads } from './sdpa.ts';

/** Queries and keys turned by their positions from 0 on; the cache may cover part of a head. */
function rotated(match: Match, x: Value, heads: number): Value | undefined {
  const { node, inputs, g } = match;
  const [cos, sin, positions] = [inputs[7], inputs[8], inputs[9]];
  const [half, size] = [cos?.shape[1], x.shape[3]];
  if (!cos || !sin || typeof half !== 'number' || typeof size !== 'number') return undefined;
  const attributes: Attributes = {
    interleaved: { int: attr.int(node, 'rotary_interleaved', 0) },
    ...(2 * half < size && { rotary_embedding_dim: { int: 2 * half }, num_heads: { int: heads } }),
  };
  return g.one('RotaryEmbedding', [x, positions ?? g.ints([0]), cos, sin], { domain: 'com.microsoft', attributes });
}

/** Queries, keys and values, also from one packed input. */
function projections({ node, inputs, ops }: Match): readonly [Value, Value, Value] | undefined {
  const [query, key, value] = inputs;
  if (query && key && value) return [query, key, value];
  const width = query?.shape[2];
  if (!query || typeof width !== 'number') return undefined;
  const [heads, groups] = [attr.int(node, 'num_heads', 1), attr.int(node, 'kv_num_heads', 1)];
  const size = width / (heads + 2 * groups);
  return ops.split(query, [heads * size, groups * size, groups * size], { axis: 2 }) as [Value, Value, Value];
}

/**
 * GroupQueryAttention (Ainslie et al., 2023) without a past, as in training: sequences start at position 0 and are padded
 * at the right. What the runtime computes for padding is not defined; here a padded token sees what is before it.
 *
 * Inputs: queries, keys, values, past keys, past values, lengths, total length, cosines, sines, positions, bias of
 * scores. Outputs: y, present keys, present values.
 */
const groupQuery: Rewrite = defineRewrite({
  name: 'GroupQueryAttention',
  pattern: op('com.microsoft.GroupQueryAttention', undefined, {
    where: (node) =>
      node.inputs.slice(11).every((value) => !value) &&
      node.outputs[3] === undefined &&
      attr.int(node, 'smooth_softmax', 0) <= 0 &&
      [node.inputs[3], node.inputs[4]].every((past) => !past || past.shape[2] === 0),
  }),
  replace: (match) => {
    const { node, inputs, g } = match;
    const [heads, groups] = [attr.int(node, 'num_heads', 1), attr.int(node, 'kv_num_heads', 1)];
    const given = projections(match);
    if (!given || given.some((value) => sizesOf(value) === undefined)) return undefined;
    const [split, keys, values] = given.map((x, i) => splitHeads(g, x, i === 0 ? heads : groups)) as [
      Value,
      Value,
      Value,
    ];
    const rotary = attr.int(node, 'do_rotary', 0) === 1;
    const q = rotary ? rotated(match, split, heads) : split;
    const k = rotary ? rotated(match, keys, groups) : keys;
    const [, , length, size] = split.dims as [number, number, number, number];
    if (!q || !k) return undefined;
    const window = attr.int(node, 'local_window_size', -1);
    const scale = attr.float(node, 'scale', 0);
    const y = attend(g, {
      q,
      k,
      v: values,
      scale: scale === 0 ? 1 / Math.sqrt(size) : scale,
      softcap: attr.float(node, 'softcap', 0),
      biases: inputs[10] ? [inputs[10]] : [],
      masks: [causalMask(g, length, length, 0, window > 0 ? window : length)],
    });
    return [joinHeads(g, y), k, values];
  },
});

/**
 * Attention of ai.onnx 23 and 24. Inputs: queries, keys, values (heads apart or not), mask, past keys, past values,
 * lengths. Outputs: y, present keys, present values, scores.
 */
const onnxAttention: Rewrite = defineRewrite({
  name: 'Attention of ai.onnx',
  pattern: op('Attention', undefined, {
    where: ({ inputs, outputs }) => inputs[6] === undefined && outputs[3] === undefined,
  }),
  replace: (match) => {
    const { node, inputs, g, ops } = match;
    const [query, key, value, mask, pastKeys, pastValues] = inputs;
    if (!query || !key || !value || [query, key, value].some((x) => sizesOf(x) === undefined)) return undefined;
    const flat = query.rank === 3;
    const heads = (x: Value, name: string): Value => (flat ? splitHeads(g, x, attr.int(node, name, 1)) : x);
    const q = heads(query, 'q_num_heads');
    const k = appended(g, pastKeys, heads(key, 'kv_num_heads'));
    const v = appended(g, pastValues, heads(value, 'kv_num_heads'));
    const [, , length, size] = q.dims as [number, number, number, number];
    const keys = k.shape[2] as Dim;
    if (typeof keys !== 'number') return undefined;
    const wide = mask && mask.shape.at(-1) === keys ? mask : undefined;
    if (mask && !wide) return undefined;
    const causal = attr.int(node, 'is_causal', 0) === 1;
    const given = node.attributes['scale'];
    const y = attend(g, {
      q,
      k,
      v,
      scale: given && 'float' in given ? given.float : 1 / Math.sqrt(size),
      softcap: attr.float(node, 'softcap', 0),
      biases: wide && wide.dtype !== 'bool' ? [ops.cast(wide, q.dtype)] : [],
      masks: [
        ...(wide?.dtype === 'bool' ? [wide] : []),
        ...(causal ? [causalMask(g, length, keys, keys - length)] : []),
      ],
    });
    return [flat ? joinHeads(g, y) : y, k, v];
  },
});

export const grouped: readonly Rewrite[] = [groupQuery, onnxAttention];
