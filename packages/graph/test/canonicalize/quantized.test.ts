import { checkRewrite, type RewriteCase, seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/builder.ts';
import { DEQUANTIZATIONS } from '../../src/canonicalize/composites/index.ts';
import type { Value } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import { onRuntime } from './runtime.ts';

/** Activations in [-2, 2] have steps of 4/255; with 6 inputs and weights below 1.3 products are off by less than this. */
const STEP = { absolute: 0.08, relative: 0 };
const rules = (name: string): typeof DEQUANTIZATIONS => DEQUANTIZATIONS.filter((rule) => rule.name === name);

const codes = (g: GraphBuilder, dtype: 'int8' | 'uint8', shape: readonly number[]): Value => {
  const random = seededRandom(7);
  const low = dtype === 'int8' ? -128 : 0;
  const size = shape.reduce((a, b) => a * b, 1);
  return g.constant(
    tensor(
      dtype,
      shape,
      Array.from({ length: size }, () => low + Math.floor(random() * 256)),
    ),
  );
};
const scales = (g: GraphBuilder, ...values: number[]): Value =>
  g.constant(tensor('float32', values.length === 1 ? [] : [values.length], values));

/** As onnxruntime's `quantize_dynamic` writes a linear layer. */
const dynamic = (
  name: string,
  weights: (g: GraphBuilder) => readonly [codes: Value, scale: Value, zero: Value | undefined],
): RewriteCase => ({
  name,
  tolerance: STEP,
  build: (g) => {
    const x = g.input('x', 'float32', [2, 3, 6]);
    const [w, scale, zero] = weights(g);
    const [xq, xs, xz] = g.node('DynamicQuantizeLinear', [x], { outputs: 3 });
    const product = g.one('MatMulInteger', zero ? [xq, w, xz, zero] : [xq, w, xz]);
    return g.ops.mul(g.ops.cast(product, 'float32'), g.ops.mul(xs!, scale));
  },
});

describe('MatMulInteger', () => {
  const [withZero, withoutZero] = rules('MatMulInteger');

  it.each([
    dynamic('one scale', (g) => [codes(g, 'uint8', [6, 4]), scales(g, 0.01), g.constant(tensor('uint8', [], [128]))]),
    dynamic('a scale each', (g) => [
      codes(g, 'int8', [6, 4]),
      scales(g, 0.01, 0.008, 0.005, 0.002),
      g.constant(tensor('int8', [4], [3, 0, -4, 9])),
    ]),
  ])('with zero points, $name', (test) => checkRewrite(withZero!, [test], { original: onRuntime }));

  it('without zero points', () =>
    checkRewrite(withoutZero!, [dynamic('none', (g) => [codes(g, 'int8', [6, 4]), scales(g, 0.01), undefined])], {
      original: onRuntime,
    }));
});

describe('MatMulIntegerToFloat', () => {
  it('of codes that are given is exact', () =>
    checkRewrite(
      rules('MatMulIntegerToFloat')[0]!,
      [
        {
          name: 'zero points, bias',
          build: (g) => {
            const zeros = [g.constant(tensor('uint8', [], [120])), g.constant(tensor('int8', [4], [1, -2, 0, 5]))];
            const inputs = [
              codes(g, 'uint8', [3, 6]),
              codes(g, 'int8', [6, 4]),
              scales(g, 0.02),
              scales(g, 0.01, 0.02, 0.03, 0.04),
            ];
            return g.one('MatMulIntegerToFloat', [...inputs, ...zeros, g.input('bias', 'float32', [4])], {
              domain: 'com.microsoft',
            });
          },
        },
      ],
      { original: onRuntime },
    ));

  it('of codes of activations uses these', () => {
    const [rule, roundTrip] = [...rules('MatMulIntegerToFloat'), ...rules('DequantizeLinear of DynamicQuantizeLinear')];
    return checkRewrite(
      rule!,
      [
        {
          name: 'quantized before',
          tolerance: STEP,
          build: (g) => {
            const [xq, xs, xz] = g.node('DynamicQuantizeLinear', [g.input('x', 'float32', [3, 6])], { outputs: 3 });
            return g.one('MatMulIntegerToFloat', [xq, codes(g, 'int8', [6, 4]), xs, scales(g, 0.01), xz], {
              domain: 'com.microsoft',
            });
          },
        },
      ],
      { original: onRuntime, rules: [rule!, roundTrip!] },
    );
  });
});

it('GatherBlockQuantized', () =>
  checkRewrite(
    rules('GatherBlockQuantized')[0]!,
    ([undefined, tensor('uint4', [5, 2], [0x71, 0x8a, 0x39, 0xc4, 0x25])] as const).map((zeros) => ({
      name: zeros ? 'zero points' : 'no zero points',
      build: (g) => {
        const random = seededRandom(3);
        const bytes = Uint8Array.from({ length: 80 }, () => Math.floor(random() * 256));
        const table = g.constant({ dtype: zeros ? 'uint4' : 'int4', shape: [5, 32], data: bytes });
        const scale = g.constant(
          tensor(
            'float32',
            [5, 2],
            Array.from({ length: 10 }, () => random()),
          ),
        );
        return g.one(
          'GatherBlockQuantized',
          [table, g.constant(tensor('int64', [2, 2], [4, 0, 2, 4])), scale, zeros && g.constant(zeros)],
          { domain: 'com.microsoft', attributes: { block_size: { int: 16 }, quantize_axis: { int: 1 } } },
        );
      },
    })),
    { original: onRuntime },
  ));

it('every rule is checked', () => {
  // A rule that is added, also as a variant of another, needs a test above.
  expect(DEQUANTIZATIONS.map(({ name }) => name)).toEqual([
    'MatMulInteger',
    'MatMulInteger',
    'MatMulIntegerToFloat',
    'DequantizeLinear of DynamicQuantizeLinear',
    'GatherBlockQuantized',
  ]);
});
