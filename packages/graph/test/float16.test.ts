import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/builder.ts';
import type { DType } from '../src/dtype.ts';
import { tensor } from '../src/tensor.ts';
import { decodeFloat, encodeFloat, fromFloat16Bits, roundFloat, type SmallFloat, toFloat16Bits } from '../src/index.ts';

const BITS: Readonly<Record<SmallFloat, number>> = {
  float16: 16,
  bfloat16: 16,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float4e2m1: 4,
};
const FORMATS = Object.keys(BITS) as SmallFloat[];

const codesOf = (dtype: SmallFloat): number[] => Array.from({ length: 2 ** BITS[dtype] }, (_, code) => code);

/** Published values: IEEE 754-2008 (binary16), OCP 8-bit Floating Point 1.0, OCP Microscaling 1.0, ONNX "Float stored in 8 bits". */
const KNOWN: readonly (readonly [SmallFloat, number, number])[] = [
  ['float16', 0x3c00, 1],
  ['float16', 0x3555, 0.333251953125],
  ['float16', 0x7bff, 65504],
  ['float16', 0x0400, 2 ** -14],
  ['float16', 0x0001, 2 ** -24],
  ['float16', 0xc000, -2],
  ['float16', 0xfc00, -Infinity],
  ['bfloat16', 0x3f80, 1],
  ['bfloat16', 0x4049, 3.140625],
  ['bfloat16', 0x7f7f, 3.3895313892515355e38],
  ['bfloat16', 0x0001, 2 ** -133],
  ['float8e4m3fn', 0x7e, 448],
  ['float8e4m3fn', 0x08, 2 ** -6],
  ['float8e4m3fn', 0x01, 2 ** -9],
  ['float8e4m3fn', 0xff, Number.NaN],
  ['float8e4m3fnuz', 0x7f, 240],
  ['float8e4m3fnuz', 0x01, 2 ** -10],
  ['float8e4m3fnuz', 0x80, Number.NaN],
  ['float8e5m2', 0x7b, 57344],
  ['float8e5m2', 0x01, 2 ** -16],
  ['float8e5m2', 0x7c, Infinity],
  ['float8e5m2fnuz', 0x7f, 57344],
  ['float8e5m2fnuz', 0x01, 2 ** -17],
  ['float8e5m2fnuz', 0x80, Number.NaN],
  ['float4e2m1', 0x7, 6],
  ['float4e2m1', 0x1, 0.5],
  ['float4e2m1', 0x9, -0.5],
];

describe('small floats', () => {
  it.each(KNOWN)('%s: code %i is %f', (dtype, code, value) => {
    expect(decodeFloat(code, dtype)).toBe(value);
    if (!Number.isNaN(value)) expect(encodeFloat(value, dtype)).toBe(code);
  });

  it.each(FORMATS)('%s: every code comes back', (dtype) => {
    const wrong = codesOf(dtype).filter((code) => {
      const value = decodeFloat(code, dtype);
      const back = encodeFloat(value, dtype);
      return Number.isNaN(value) ? !Number.isNaN(decodeFloat(back, dtype)) : back !== code;
    });
    expect(wrong).toEqual([]);
  });

  it.each(FORMATS)('%s: rounds to the nearest number, ties to even', (dtype) => {
    const numbers = codesOf(dtype)
      .map((code) => ({ code, value: decodeFloat(code, dtype) }))
      .filter(({ value }) => Number.isFinite(value) && value >= 0 && !Object.is(value, -0))
      .sort((a, b) => a.value - b.value);
    const wrong: string[] = [];
    for (let i = 0; i + 1 < numbers.length; i++) {
      const [low, high] = [numbers[i], numbers[i + 1]] as [(typeof numbers)[0], (typeof numbers)[0]];
      const middle = (low.value + high.value) / 2;
      const even = low.code % 2 === 0 ? low.value : high.value;
      const step = (high.value - low.value) / 64;
      const expected: [number, number][] = [
        [middle, even],
        [middle - step, low.value],
        [middle + step, high.value],
      ];
      for (const [value, rounded] of expected) {
        if (roundFloat(value, dtype) !== rounded) wrong.push(`${value} -> ${roundFloat(value, dtype)}, not ${rounded}`);
        if (roundFloat(-value, dtype) !== -rounded && rounded !== 0) wrong.push(`-${value}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('leave their range as the format allows', () => {
    expect(roundFloat(65519, 'float16')).toBe(65504);
    expect(roundFloat(65520, 'float16')).toBe(Infinity);
    expect(roundFloat(-1e9, 'bfloat16')).toBeCloseTo(-1e9, -7);
    expect(roundFloat(1e39, 'bfloat16')).toBe(Infinity);
    expect(roundFloat(500, 'float8e4m3fn')).toBeNaN();
    expect(roundFloat(Infinity, 'float8e4m3fnuz')).toBeNaN();
    expect(roundFloat(100, 'float4e2m1')).toBe(6);
    expect(decodeFloat(encodeFloat(500, 'float8e4m3fn', true), 'float8e4m3fn')).toBe(448);
    expect(decodeFloat(encodeFloat(-Infinity, 'float8e5m2', true), 'float8e5m2')).toBe(-57344);
  });

  it('round once: a double between a float32 and its tie is not rounded twice', () => {
    const tie = 1 + 2 ** -11;
    expect(roundFloat(tie, 'float16')).toBe(1);
    expect(roundFloat(tie + 2 ** -40, 'float16')).toBe(1 + 2 ** -10);
    expect(decodeFloat(toFloat16Bits([tie + 2 ** -40], 'float16')[0] as number, 'float16')).toBe(1 + 2 ** -10);
  });
});

describe('16-bit arrays', () => {
  const next = seededRandom(16);
  const words = new Uint32Array(200_000).map(() => next() * 2 ** 32);
  const values = new Float32Array(words.buffer);

  it.each(['float16', 'bfloat16'] as const)('%s: the fast way gives the bits of the slow one', (dtype) => {
    const fast = toFloat16Bits(values, dtype);
    const slow = values.map((value) => encodeFloat(value, dtype));
    expect(fast.findIndex((code, i) => code !== slow[i])).toBe(-1);
    const ordinary = Float32Array.from({ length: 100_000 }, () => (next() - 0.5) * 2 ** (40 * next() - 30));
    const codes = toFloat16Bits(ordinary, dtype);
    expect(codes.findIndex((code, i) => code !== encodeFloat(ordinary[i] as number, dtype))).toBe(-1);
  });

  it.each(['float16', 'bfloat16'] as const)('%s: decodes every code', (dtype) => {
    const codes = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const decoded = fromFloat16Bits(codes, dtype);
    expect(decoded.findIndex((value, i) => !Object.is(value, decodeFloat(i, dtype)))).toBe(-1);
  });

  it('reads a view at an offset', () => {
    const view = new Float32Array([9, 1, 2]).subarray(1);
    expect(Array.from(toFloat16Bits(view, 'float16'))).toEqual([0x3c00, 0x4000]);
  });
});

describe('tensor', () => {
  it.each<[DType, number[], number[]]>([
    ['float16', [1, -6e4, 1e6], [0x3c00, 0xfb53, 0x7c00]],
    ['bfloat16', [1, -1e30, Number.NaN], [0x3f80, 0xf14a, 0x7fc0]],
    ['float8e4m3fn', [1, 0.5], [0x38, 0x30]],
    ['float4e2m1', [0x21], [0x21]],
  ])('converts numbers to %s', (dtype, numbers, bits) => {
    const shape = dtype === 'float4e2m1' ? [2] : [numbers.length];
    expect(Array.from(tensor(dtype, shape, numbers).data, Number)).toEqual(bits);
  });

  it('takes a typed array as the bits that it is', () => {
    expect(tensor('float16', [1], Uint16Array.of(1)).data[0]).toBe(1);
  });

  it('is what constants of a graph are made by', () => {
    const g = new GraphBuilder();
    expect(g.constantOf(g.scalar(0.5, 'float16'))?.data[0]).toBe(0x3800);
  });
});
