import { describe, expect, it } from 'vitest';
import { tensor, type TensorData } from '../src/index.ts';
import { apply, compute, expectClose, integers, numbersOf, often, oneOf, uniform } from './interpret/run.ts';

const int = (value: number): { int: number } => ({ int: value });
const ints = (...values: number[]): { ints: number[] } => ({ ints: values });
const vector = (...values: number[]): TensorData => tensor('int64', [values.length], values);

describe('products', () => {
  it('Einsum, Gemm and FusedMatMul agree with MatMul', () => {
    often(() => {
      const [a, b] = [uniform([2, 3, 4]), uniform([2, 4, 5])];
      const product = apply('MatMul', [a, b]);
      expectClose(apply('Einsum', [a, b], { equation: { string: 'bij,bjk->bik' } }), product);
      const turned = apply('Transpose', [b], { perm: ints(0, 2, 1) });
      expectClose(apply('FusedMatMul', [a, turned], { transB: int(1) }, 'com.microsoft'), product);
      const [m, n] = [uniform([3, 4]), uniform([4, 2])];
      expectClose(apply('Gemm', [m, n]), apply('MatMul', [m, n]));
    });
  });

  it('a transposed convolution is the adjoint of the convolution', () => {
    const inner = (a: TensorData, b: TensorData): TensorData =>
      apply('ReduceSum', [apply('Mul', [a, b])], { keepdims: int(0) });
    often(() => {
      const [group, kernel] = [oneOf(1, 2), [2, 3]];
      const [strides, dilations] = [
        [oneOf(1, 2), oneOf(1, 3)],
        [oneOf(1, 2), 1],
      ] as const;
      const pads = Array.from({ length: 4 }, () => oneOf(0, 1));
      const attributes = {
        group: int(group),
        strides: ints(...strides),
        dilations: ints(...dilations),
        pads: ints(...pads),
      };
      const [x, w] = [uniform([2, 4, 7, 7]), uniform([6, 4 / group, ...kernel])];
      const y = apply('Conv', [x, w], attributes);
      const dy = uniform(y.shape);
      // What the strides leave over at the end has to come back.
      const rest = strides.map((stride, i) => {
        const span = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
        return (7 + (pads[i] as number) + (pads[i + 2] as number) - span) % stride;
      });
      const back = apply('ConvTranspose', [dy, w], { ...attributes, output_padding: ints(...rest) });
      expectClose(inner(y, dy), inner(x, back), 10);
    }, 24);
  });

  it('a one by one convolution is a product of channels', () => {
    const [x, w] = [uniform([2, 3, 4, 5]), uniform([6, 3, 1, 1])];
    const matrix = apply('Reshape', [w, vector(6, 3)]);
    expectClose(apply('Conv', [x, w]), apply('Einsum', [matrix, x], { equation: { string: 'oc,bchw->bohw' } }));
  });

  it('pooling is reduction where the window covers everything', () => {
    const x = uniform([2, 3, 4, 5]);
    const whole = { kernel_shape: ints(4, 5) };
    expectClose(apply('AveragePool', [x], whole), apply('GlobalAveragePool', [x]));
    expectClose(apply('GlobalAveragePool', [x]), apply('ReduceMean', [x, vector(2, 3)]));
    expectClose(apply('MaxPool', [x], whole), apply('GlobalMaxPool', [x]));
    expectClose(apply('LpPool', [x], whole), apply('ReduceL2', [x, vector(2, 3)]));
  });

  it('resizing to the same size changes nothing, and twice as large repeats', () => {
    const x = uniform([1, 2, 3, 4]);
    for (const mode of ['nearest', 'linear', 'cubic']) {
      expectClose(apply('Resize', [x, undefined, undefined, vector(1, 2, 3, 4)], { mode: { string: mode } }), x);
    }
    const twice = apply('Resize', [x, undefined, tensor('float32', [4], [1, 1, 1, 2])], {
      mode: { string: 'nearest' },
    });
    const pairs = apply('Reshape', [
      apply('Tile', [apply('Reshape', [x, vector(1, 2, 3, 4, 1)]), vector(1, 1, 1, 1, 2)]),
      vector(1, 2, 3, 8),
    ]);
    expectClose(twice, pairs);
  });
});

describe('layers', () => {
  it('softmax sums to one and does not see a shift', () => {
    often(() => {
      const x = uniform([3, 4], -50, 50);
      const shifted = apply('Add', [x, tensor('float64', [], [oneOf(-100, 7, 500)])]);
      expectClose(apply('Softmax', [x]), apply('Softmax', [shifted]), 10);
      expectClose(apply('ReduceSum', [apply('Softmax', [x]), vector(1)]), tensor('float64', [3, 1], [1, 1, 1]));
      expectClose(apply('Exp', [apply('LogSoftmax', [x])]), apply('Softmax', [x]));
    });
  });

  it('normalisations agree where they are the same', () => {
    const x = uniform([2, 4, 6]);
    const [ones, zeros] = [
      tensor('float64', [6], new Float64Array(6).fill(1)),
      tensor('float64', [6], new Float64Array(6)),
    ];
    const epsilon = { epsilon: { float: 0 } };
    const layer = apply('LayerNormalization', [x, ones, zeros], epsilon);
    expectClose(layer, apply('MeanVarianceNormalization', [x], { axes: ints(2) }), 8);
    const channels = [tensor('float64', [4], [1, 1, 1, 1]), tensor('float64', [4], [0, 0, 0, 0])];
    expectClose(apply('InstanceNormalization', [x, ...channels], epsilon), layer);
    expectClose(apply('GroupNormalization', [x, ...channels], { ...epsilon, num_groups: int(4) }), layer);
    const centred = apply('Sub', [x, apply('ReduceMean', [x, vector(2)])]);
    expectClose(apply('RMSNormalization', [centred, ones], epsilon), layer);
  });

  it('rotation keeps lengths and turns back with the opposite angle', () => {
    often(() => {
      const [x, angles] = [uniform([2, 3, 4, 6]), uniform([2, 4, 3], -3, 3)];
      const [cos, sin] = [apply('Cos', [angles]), apply('Sin', [angles])];
      const attributes = { interleaved: int(oneOf(0, 1)) };
      const turned = apply('RotaryEmbedding', [x, cos, sin], attributes);
      expectClose(apply('ReduceL2', [turned, vector(3)]), apply('ReduceL2', [x, vector(3)]));
      expectClose(apply('RotaryEmbedding', [turned, cos, apply('Neg', [sin])], attributes), x);
    });
  });

  it.each(['LSTM', 'GRU', 'RNN'])('%s backwards is forwards on the reversed sequence', (op) => {
    const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op] as number;
    const [steps, batch, size, hidden] = [4, 2, 3, 2];
    const weights = [
      uniform([1, gates * hidden, size]),
      uniform([1, gates * hidden, hidden]),
      uniform([1, 2 * gates * hidden]),
    ];
    const x = uniform([steps, batch, size]);
    const flip = (t: TensorData): TensorData => apply('Slice', [t, vector(-1), vector(-100), vector(0), vector(-1)]);
    const attributes = { hidden_size: int(hidden) };
    const backwards = apply(op, [x, ...weights], { ...attributes, direction: { string: 'reverse' } });
    expectClose(backwards, flip(apply(op, [flip(x), ...weights], attributes)));
    const swapped = apply(op, [apply('Transpose', [x], { perm: ints(1, 0, 2) }), ...weights], {
      ...attributes,
      layout: int(1),
    });
    const forwards = apply(op, [x, ...weights], attributes);
    expectClose(swapped, apply('Transpose', [forwards], { perm: ints(2, 0, 1, 3) }));
  });
});

describe('quantization', () => {
  it('is off by half a step at most', () => {
    often(() => {
      const x = uniform([4, 5]);
      const back = compute((g) => {
        const [levels, scale, zero] = g.node('DynamicQuantizeLinear', [g.ops.cast(g.constant(x), 'float32')], {
          outputs: 3,
        });
        return g.one('DequantizeLinear', [levels, scale, zero]);
      });
      const step = (Math.max(0, ...numbersOf(x)) - Math.min(0, ...numbersOf(x))) / 255;
      const worst = Math.max(...numbersOf(back).map((v, i) => Math.abs(v - (numbersOf(x)[i] as number))));
      expect(worst).toBeLessThanOrEqual(step * 0.5001 + 1e-6);
    });
  });

  it('MatMulIntegerToFloat is dequantize, then multiply', () => {
    often(() => {
      const cast = (t: TensorData, dtype: 'uint8' | 'int8' | 'float32'): TensorData =>
        compute((g) => g.ops.cast(g.constant(t), dtype));
      const [a, b] = [cast(integers([2, 4], 0, 255), 'uint8'), cast(integers([4, 3], -127, 127), 'int8')];
      const [sa, sb] = [tensor('float32', [], [0.5]), tensor('float32', [3], [0.25, 2, 1])];
      const [za, zb] = [tensor('uint8', [], [99]), tensor('int8', [3], [1, -2, 3])];
      const left = apply('DequantizeLinear', [a, sa, za]);
      const right = apply('DequantizeLinear', [b, sb, zb], { axis: int(1) });
      const product = compute((g) =>
        g.ops.matmul(g.ops.cast(g.constant(left), 'float64'), g.ops.cast(g.constant(right), 'float64')),
      );
      expectClose(apply('MatMulIntegerToFloat', [a, b, sa, sb, za, zb], {}, 'com.microsoft'), product);
    });
  });

  it('MatMulNBits unpacks codes, low bits first', () => {
    // One row of B: codes 0…15, then 15…0, in blocks of 16 with scales 1 and 0.5, zero points 8 and 3.
    const codes = [...Array.from({ length: 16 }, (_, i) => i), ...Array.from({ length: 16 }, (_, i) => 15 - i)];
    const bytes = Array.from({ length: 16 }, (_, i) => (codes[2 * i] as number) | ((codes[2 * i + 1] as number) << 4));
    const x = uniform([1, 32]);
    const expected = numbersOf(x).reduce((sum, v, i) => {
      const code = codes[i] as number;
      return sum + v * (i < 16 ? code - 8 : (code - 3) * 0.5);
    }, 0);
    const actual = apply(
      'MatMulNBits',
      [x, tensor('uint8', [1, 2, 8], bytes), tensor('float64', [2], [1, 0.5]), tensor('uint8', [1], [0x38])],
      { K: int(32), N: int(1), bits: int(4), block_size: int(16) },
      'com.microsoft',
    );
    expectClose(actual, tensor('float64', [1, 1], [expected]));
  });
});
