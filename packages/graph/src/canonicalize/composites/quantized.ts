import { attr, type Value } from '../../ir.ts';
import { defineRewrite, type Match, type Rewrite } from '../../rewrites/define.ts';
import { any, attributeIs, op } from '../../rewrites/pattern.ts';
import { DTYPES } from '../../dtype.ts';

/** 8-bit weights `[in, out]` as floats, with a scale for all or for each column. */
function dequantized({ g, ops }: Match, weights: Value, scale: Value, zero: Value | undefined): Value {
  const columns = weights.shape.at(-1);
  // A vector of one element stands for all columns, unless there is only one.
  const vector = (value: Value): Value =>
    value.rank === 1 && value.shape[0] === 1 && columns !== 1 ? ops.squeeze(value, [0]) : value;
  return g.one('DequantizeLinear', [weights, vector(scale), zero && vector(zero)], {
    attributes: { axis: { int: weights.rank - 1 } },
  });
}

const quantizing = (output: number): ReturnType<typeof op> =>
  op('DynamicQuantizeLinear', [any('x')], { name: 'quantization', output, shared: true });
const toFloat = attributeIs('to', DTYPES.float32.onnx);

/** `x @ W` of 8-bit numbers as onnxruntime's dynamic quantization writes it: activations become floats again. */
const dynamicProduct = (zeros: boolean): Rewrite =>
  defineRewrite({
    name: 'MatMulInteger',
    pattern: op('Mul', [
      op('Cast', [op('MatMulInteger', [quantizing(0), any('w'), quantizing(2), ...(zeros ? [any('zero')] : [])])], {
        where: toFloat,
      }),
      op('Mul', [quantizing(1), any('scale')]),
    ]),
    replace: (match) => {
      const w = dequantized(match, match.value('w'), match.value('scale'), zeros ? match.value('zero') : undefined);
      return match.ops.matmul(match.value('x'), w);
    },
  });

/** Inputs: A, B, their scales, their zero points, bias. */
const toFloatProduct: Rewrite = defineRewrite({
  name: 'MatMulIntegerToFloat',
  pattern: op('com.microsoft.MatMulIntegerToFloat'),
  replace: (match) => {
    const { inputs, ops } = match;
    const [a, b, scaleA, scaleB, zeroA, zeroB, bias] = inputs;
    if (!a || !b || !scaleA || !scaleB || scaleA.rank > 0) return undefined;
    const left = match.g.one('DequantizeLinear', [a, scaleA, zeroA]);
    const product = ops.matmul(left, dequantized(match, b, scaleB, zeroB));
    return bias ? ops.add(product, bias) : product;
  },
});

/** The codes of what was quantized a moment ago are what it was. */
const roundTrip: Rewrite = defineRewrite({
  name: 'DequantizeLinear of DynamicQuantizeLinear',
  pattern: op('DequantizeLinear', [quantizing(0), quantizing(1), quantizing(2)]),
  replace: ({ value }) => value('x'),
});

/** Rows of a table of 4-bit numbers. The table is unpacked as a whole. */
const gatherBlocks: Rewrite = defineRewrite({
  name: 'GatherBlockQuantized',
  pattern: op('com.microsoft.GatherBlockQuantized', undefined, {
    where: ({ inputs }) => DTYPES[inputs[0]?.dtype ?? 'string'].bits === 4,
  }),
  replace: ({ node, inputs, g, ops }) => {
    const [table, indices, scales, zeros] = inputs;
    if (!table || !indices || !scales) return undefined;
    const axis = attr.int(node, 'quantize_axis', 1);
    const rows = g.one('DequantizeLinear', [table, scales, zeros], {
      attributes: {
        axis: { int: axis < 0 ? axis + table.rank : axis },
        block_size: { int: attr.int(node, 'block_size', 128) },
      },
    });
    return ops.take(rows, indices, { axis: attr.int(node, 'gather_axis', 0) });
  },
});

/**
 * Integer arithmetic as floating-point products of the same weights. Activations are no longer quantized: results differ
 * from the original's by the error that it makes there.
 */
export const quantized: readonly Rewrite[] = [
  dynamicProduct(true),
  dynamicProduct(false),
  toFloatProduct,
  roundTrip,
  gatherBlocks,
];
