import type { Attributes, Value } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import type { Case } from './harness.ts';

const matmul = (a: readonly number[], b: readonly number[]): Case => ({
  name: `MatMul [${a}] [${b}]`,
  inputs: { a, b },
  build: (g, values) => g.one('MatMul', [values['a'], values['b']]),
});

function transposed(shape: readonly number[], yes: boolean): readonly number[] {
  return yes ? [...shape.slice(0, -2), shape.at(-1) as number, shape.at(-2) as number] : shape;
}

/** A product with every combination of transposes. */
function products(op: string, domain: string, a: readonly number[], b: readonly number[], more: Attributes): Case[] {
  return [0, 1].flatMap((transA) =>
    [0, 1].map((transB): Case => ({
      name: `${op} [${a}] [${b}] transA ${transA} transB ${transB}`,
      inputs: { a: transposed(a, transA === 1), b: transposed(b, transB === 1) },
      build: (g, values) =>
        g.one(op, [values['a'], values['b']], {
          domain,
          attributes: { transA: { int: transA }, transB: { int: transB }, ...more },
        }),
    })),
  );
}

const rotary = (interleaved: number): Case => ({
  name: `com.microsoft.RotaryEmbedding interleaved ${interleaved}`,
  inputs: { x: [1, 2, 3, 4] },
  build: (g, { x }) => {
    const angles = Array.from({ length: 10 }, (_, i) => 0.3 * i + 0.1);
    const cache = (f: (angle: number) => number): Value => g.constant(tensor('float64', [5, 2], angles.map(f)));
    const positions = g.constant(tensor('int64', [1, 3], [0, 2, 4]));
    return g.one('RotaryEmbedding', [x, positions, cache(Math.cos), cache(Math.sin)], {
      domain: 'com.microsoft',
      attributes: { interleaved: { int: interleaved } },
    });
  },
});

/** Codes of 8 rows of 32 weights; the layout of the bytes is the operator's. */
const nBits = (bits: number, zeros: boolean, k: number = 32): Case => ({
  name: `MatMulNBits ${bits} bits, K ${k}${zeros ? ' with zero points' : ''}`,
  inputs: { x: [2, 3, k], bias: [4] },
  build: (g, { x, bias }) => {
    const [n, block] = [4, 16];
    const blocks = Math.ceil(k / block);
    const fill = (length: number, factor: number): number[] => Array.from({ length }, (_, i) => (i * factor + 3) % 256);
    const codes = tensor('uint8', [n, blocks, (block * bits) / 8], fill(n * blocks * block * (bits / 8), 37));
    const scales = tensor(
      'float64',
      [n * blocks],
      fill(n * blocks, 11).map((v) => v / 256),
    );
    const bytes = n * Math.ceil((blocks * bits) / 8);
    const zero = zeros ? g.constant(tensor('uint8', [bytes], fill(bytes, 29))) : undefined;
    const inputs = [x, g.parameter('codes', codes), g.constant(scales), zero, undefined, bias];
    const attributes = { K: { int: k }, N: { int: n }, bits: { int: bits }, block_size: { int: block } };
    return g.one('MatMulNBits', inputs, { domain: 'com.microsoft', attributes });
  },
});

const dequantize = (scale: readonly number[], zeros: boolean, attributes: Attributes): Case => ({
  name: `DequantizeLinear scale [${scale}] ${JSON.stringify(attributes)}`,
  inputs: { scale },
  build: (g, values) => {
    const x = tensor(
      'int8',
      [4, 6],
      Array.from({ length: 24 }, (_, i) => ((i * 41) % 256) - 128),
    );
    const count = scale.reduce((a, b) => a * b, 1);
    const zero = tensor(
      'int8',
      scale,
      Array.from({ length: count }, (_, i) => i - 2),
    );
    const inputs = [g.constant(x), values['scale'], zeros ? g.constant(zero) : undefined];
    return g.one('DequantizeLinear', inputs, { attributes });
  },
});

export const linearCases: readonly Case[] = [
  matmul([3, 4], [4, 2]),
  matmul([2, 3, 4], [4, 2]),
  matmul([2, 2, 3, 4], [4, 2]),
  matmul([2, 3, 4], [1, 4, 2]),
  matmul([2, 3, 4], [2, 4, 2]),
  matmul([2, 1, 3, 4], [5, 4, 2]),
  matmul([3, 4], [2, 4, 2]),
  matmul([1, 3, 4], [2, 4, 2]),
  matmul([4], [4, 2]),
  matmul([3, 4], [4]),
  matmul([4], [4]),
  matmul([2, 3, 4], [4]),
  matmul([4], [2, 4, 3]),
  ...products('Gemm', '', [3, 4], [4, 2], { alpha: { float: 0.7 } }),
  ...products('FusedMatMul', 'com.microsoft', [3, 4], [4, 2], { alpha: { float: 0.7 } }),
  ...products('FusedMatMul', 'com.microsoft', [2, 3, 4], [4, 2], { alpha: { float: 1.3 } }),
  ...products('FusedMatMul', 'com.microsoft', [2, 1, 3, 4], [3, 4, 2], { alpha: { float: -0.5 } }),
  ...[[2], [3, 2], [3, 1], [1, 2], []].map((bias): Case => ({
    name: `Gemm with a bias [${bias}]`,
    inputs: { a: [3, 4], b: [4, 2], c: bias },
    build: (g, { a, b, c }) => g.one('Gemm', [a, b, c], { attributes: { beta: { float: 1.5 } } }),
  })),
  {
    name: 'one weight used twice',
    inputs: { x: [2, 3, 3], w: [3, 3] },
    build: (g, { x, w }) => g.one('MatMul', [g.one('MatMul', [x, w]), w]),
  },
  nBits(4, false),
  nBits(4, true),
  nBits(8, false),
  nBits(8, true),
  nBits(4, false, 24),
  dequantize([], false, {}),
  dequantize([], true, {}),
  dequantize([6], true, { axis: { int: -1 } }),
  dequantize([4], true, { axis: { int: 0 } }),
  dequantize([2, 6], true, { axis: { int: 0 }, block_size: { int: 2 } }),
  rotary(0),
  rotary(1),
  {
    name: 'RotaryEmbedding',
    inputs: { x: [1, 2, 3, 4] },
    build: (g, { x }) => {
      const angles = Array.from({ length: 6 }, (_, i) => 0.3 * i + 0.1);
      const cache = (f: (angle: number) => number): Value => g.constant(tensor('float64', [1, 3, 2], angles.map(f)));
      return g.one('RotaryEmbedding', [x, cache(Math.cos), cache(Math.sin)]);
    },
  },
];
