import type { Node, Value } from '../ir.ts';
import { attr } from '../ir.ts';
import { defineRewrite, type Match, type Rewrite } from './define.ts';
import { any, attributeIs, constant, number, oneOf, op, type Pattern, type PatternLike, scalar } from './pattern.ts';

const x = any('x');

/** Products of three factors, associated in every way. */
function product3(a: PatternLike, b: PatternLike, c: PatternLike): ReturnType<typeof op>[] {
  return [op('Mul', [op('Mul', [a, b]), c]), op('Mul', [op('Mul', [a, c]), b]), op('Mul', [op('Mul', [b, c]), a])];
}

/** One rule for each of several patterns that mean the same. */
function variants(name: string, patterns: readonly ReturnType<typeof op>[], replace: Rewrite['replace']): Rewrite[] {
  return patterns.map((pattern) => defineRewrite({ name, pattern, replace }));
}

/** `x · ½ · (1 + erf(x / √2))` (Hendrycks & Gimpel, 2016). */
const erfGelu = variants(
  'gelu of erf',
  product3(
    x,
    op('Add', [op('Erf', [oneOf(op('Div', [x, Math.SQRT2]), op('Mul', [x, Math.SQRT1_2]))]), 1]),
    number(0.5),
  ),
  ({ ops, value }) => ops.gelu(value('x')),
);

const cube = oneOf(op('Pow', [x, 3]), op('Mul', [x, op('Mul', [x, x])]));
/** The argument of the tanh: `√(2/π) · (x + 0.044715 x³)`. */
const tanhArgument = op('Mul', [op('Add', [x, op('Mul', [cube, 0.044715])]), Math.sqrt(2 / Math.PI)]);
const tanhGelu = variants(
  'gelu of tanh',
  product3(x, op('Add', [op('Tanh', [tanhArgument]), 1]), 0.5),
  ({ ops, value }) => ops.gelu(value('x'), { approximate: 'tanh' }),
);

/** `x · σ(αx)`; α = 1 is SiLU. */
function swish(alpha: (match: Match) => number): Rewrite['replace'] {
  return (match) =>
    match.g.one('QuickGelu', [match.value('x')], {
      domain: 'com.microsoft',
      attributes: { alpha: { float: alpha(match) } },
    });
}
const silu: Rewrite = defineRewrite({
  name: 'silu',
  pattern: op('Mul', [x, op('Sigmoid', [x])]),
  replace: swish(() => 1),
});
const quickGelu: Rewrite = defineRewrite({
  name: 'quick gelu',
  pattern: op('Mul', [x, op('Sigmoid', [op('Mul', [x, scalar('alpha')])])]),
  replace: swish((match) => match.number('alpha')),
});

const keepsAxes = attributeIs('keepdims', 1, 1);
const mean = (of: PatternLike): Pattern => op('ReduceMean', [of, constant('axes')], { where: keepsAxes });
const square = (of: Pattern): Pattern => oneOf(op('Pow', [of, 2]), op('Mul', [of, of]));
const vector = (name: string): Pattern => any(name, ({ rank }) => rank === 1);

/** Whether the reduced axis is the last one, and the vectors have its size. */
function isOverLast(match: Match, ...vectors: readonly Value[]): boolean {
  const source = match.value('x');
  const [axis, ...more] = match.numbers('axes');
  const isLast = axis === -1 || axis === source.rank - 1;
  return more.length === 0 && isLast && vectors.every(({ shape }) => shape[0] === source.shape.at(-1));
}

/** Exporters compute `x - mean` once or twice. */
const centred = op('Sub', [x, mean(x)]);
const deviation = op('Sqrt', [op('Add', [mean(square(centred)), scalar('epsilon')])]);

/** Decomposed layer normalisation (Ba et al., 2016) with scale and bias. */
const layerNorm: Rewrite = defineRewrite({
  name: 'layer normalisation',
  pattern: op('Add', [op('Mul', [op('Div', [centred, deviation]), vector('scale')]), vector('bias')]),
  replace: (match) => {
    const [scale, bias] = [match.value('scale'), match.value('bias')];
    if (!isOverLast(match, scale, bias)) return undefined;
    return match.ops.layerNorm(match.value('x'), scale, bias, { epsilon: match.number('epsilon') });
  },
});

const rms = op('Sqrt', [op('Add', [mean(square(x)), scalar('epsilon')])]);
/** Decomposed RMS normalisation (Zhang & Sennrich, 2019) with scale. */
const rmsNorm: Rewrite = defineRewrite({
  name: 'rms normalisation',
  pattern: op('Mul', [
    oneOf(op('Div', [x, rms]), op('Mul', [x, oneOf(op('Reciprocal', [rms]), op('Div', [number(1), rms]))])),
    vector('scale'),
  ]),
  replace: (match) => {
    const scale = match.value('scale');
    if (!isOverLast(match, scale)) return undefined;
    return match.ops.rmsNorm(match.value('x'), scale, { epsilon: match.number('epsilon') });
  },
});

/** Parts without elements, as an empty cache is, add nothing. */
const emptyParts: Rewrite = defineRewrite({
  name: 'concatenation with nothing',
  pattern: op('Concat', undefined, { where: (node: Node) => node.inputs.some((value) => value?.shape.includes(0)) }),
  replace: ({ node, inputs, ops }) => {
    const parts = inputs.filter((value): value is Value => value !== undefined);
    const axis = attr.int(node, 'axis', 0);
    const kept = parts.filter(({ shape }) => shape.at(axis) !== 0);
    if (kept.length === parts.length || kept.length === 0) return undefined;
    return kept.length === 1 ? kept[0] : ops.concat(kept, { axis });
  },
});

const softmax = op('Softmax', [x], { name: 'softmax', shared: true });
/**
 * Softmax whose rows of only -∞ are 0, as PyTorch exports attention. Written with NaN it has a gradient of NaN, and a batch
 * with an empty row, which masks all of itself, would make all weights NaN.
 */
const emptyRows: Rewrite = defineRewrite({
  name: 'softmax with empty rows',
  pattern: op('Where', [op('IsNaN', [softmax]), 0, softmax]),
  replace: ({ ops, value, nodeOf }) => {
    const [source, axis] = [value('x'), attr.int(nodeOf('softmax'), 'axis', -1)];
    const isEmpty = ops.equal(ops.max(source, { axes: [axis], keepdims: true }), -Infinity);
    return ops.where(isEmpty, 0, ops.softmax(ops.where(isEmpty, 0, source), { axis }));
  },
});

/**
 * What exporters take apart, put together again: fewer nodes, and gradients that a runtime computes faster and with less
 * memory. Fusion happens before differentiation or not at all: afterwards inner values have a second use.
 */
export const FUSIONS: readonly Rewrite[] = [
  ...erfGelu,
  ...tanhGelu,
  silu,
  quickGelu,
  layerNorm,
  rmsNorm,
  emptyRows,
  emptyParts,
];
