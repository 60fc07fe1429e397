import { attr, input, type Value } from '../../ir.ts';
import { defineRewrite, type Match, type Rewrite } from '../../rewrites/define.ts';
import { op } from '../../rewrites/pattern.ts';

/** `x + skip`, and a bias where there is one. */
function skipped({ inputs, node, ops }: Match, bias: Value | undefined): Value {
  const sum = ops.add(inputs[0] ?? input(node, 0), inputs[1] ?? input(node, 1));
  return bias ? ops.add(sum, bias) : sum;
}

/** Inputs: x, skip, scale, bias of the norm, bias of the sum. Outputs: result, mean, inverse deviation, sum. */
const skipLayerNorm: Rewrite = defineRewrite({
  name: 'SkipLayerNormalization',
  pattern: op('com.microsoft.SkipLayerNormalization'),
  replace: (match) => {
    const { node, inputs, g } = match;
    const sum = skipped(match, inputs[4]);
    const outputs = g.node('LayerNormalization', [sum, inputs[2], inputs[3]], {
      attributes: { axis: { int: -1 }, epsilon: { float: attr.float(node, 'epsilon', 1e-12) } },
      outputs: [true, node.outputs[1] !== undefined, node.outputs[2] !== undefined],
    });
    return [...outputs, sum];
  },
});

/** Inputs: x, skip, scale, bias of the sum. Outputs: result, (mean), inverse deviation, sum. */
const skipRmsNorm: Rewrite = defineRewrite({
  name: 'SkipSimplifiedLayerNormalization',
  pattern: op('com.microsoft.SkipSimplifiedLayerNormalization', undefined, {
    where: ({ outputs }) => outputs[1] === undefined,
  }),
  replace: (match) => {
    const { node, inputs, g } = match;
    const sum = skipped(match, inputs[3]);
    const [y, inverse] = g.node('SimplifiedLayerNormalization', [sum, inputs[2]], {
      attributes: { axis: { int: -1 }, epsilon: { float: attr.float(node, 'epsilon', 1e-12) } },
      outputs: [true, node.outputs[2] !== undefined],
    });
    return [y, undefined, inverse, sum];
  },
});

/**
 * Inputs: ids, segments, tables of words, positions and segments, scale, bias, mask, positions. Outputs: result, number
 * of unmasked tokens, sum.
 */
const embedLayerNorm: Rewrite = defineRewrite({
  name: 'EmbedLayerNormalization',
  pattern: op('com.microsoft.EmbedLayerNormalization'),
  replace: ({ node, inputs, g, ops }) => {
    const [ids, segments, words, places, kinds, scale, bias, mask, positions] = inputs;
    if (!ids || !words || !places || !scale || !bias) return undefined;
    const length = ids.shape[1];
    if (positions === undefined && typeof length !== 'number') return undefined;
    const place = positions
      ? ops.take(places, positions)
      : ops.slice(places, [{ axis: 0, start: 0, end: length as number }]);
    let sum = ops.add(ops.take(words, ids), place);
    if (segments && kinds) sum = ops.add(sum, ops.take(kinds, segments));
    const y = ops.layerNorm(sum, scale, bias, { epsilon: attr.float(node, 'epsilon', 1e-12) });
    const count = node.outputs[1] && maskIndex();
    return [y, count, sum];

    function maskIndex(): Value {
      const given = mask ?? g.ops.mul(ids as Value, 0);
      return ops.cast(ops.sum(ops.cast(given, 'int32'), { axes: [1] }), 'int32');
    }
  },
});

export const norms: readonly Rewrite[] = [skipLayerNorm, skipRmsNorm, embedLayerNorm];
