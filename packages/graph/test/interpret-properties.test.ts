import { describe, expect, it } from 'vitest';
import { tensor, type TensorData, type Value } from '../src/index.ts';
import { apply, compute, expectClose, integers, numbersOf, often, oneOf, uniform } from './interpret/run.ts';

const int = (value: number): { int: number } => ({ int: value });
const ints = (...values: number[]): { ints: number[] } => ({ ints: values });
const vector = (...values: number[]): TensorData => tensor('int64', [values.length], values);

describe('functions', () => {
  // Abramowitz & Stegun, table 7.1, and Wolfram Alpha for more digits.
  it.each([
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [-1.5, -0.9661051464753108],
    [7, 1],
  ])('erf(%f) = %f', (x, value) => {
    expect(numbersOf(apply('Erf', [tensor('float64', [1], [x])]))[0]).toBeCloseTo(value, 15);
  });

  it('erf keeps its relative precision near zero', () => {
    const [y] = numbersOf(apply('Erf', [tensor('float64', [1], [1e-12])]));
    expect((y as number) / 1e-12).toBeCloseTo(2 / Math.sqrt(Math.PI), 14);
  });

  it('gelu is x Φ(x), and odd about x/2', () => {
    often(() => {
      const x = uniform([8], -6, 6);
      const minus = compute((g) => g.ops.neg(g.constant(x)));
      expectClose(
        compute((g) => g.ops.sub(g.ops.gelu(g.constant(x)), g.ops.gelu(g.constant(minus)))),
        x,
      );
    });
  });

  it('activations are what their definitions say', () => {
    const x = uniform([16], -4, 4);
    const by = (f: (v: number) => number): TensorData => tensor('float64', [16], numbersOf(x).map(f));
    expectClose(
      apply('Sigmoid', [x]),
      by((v) => 1 / (1 + Math.exp(-v))),
    );
    expectClose(
      apply('Softplus', [x]),
      by((v) => Math.log(1 + Math.exp(v))),
    );
    expectClose(
      apply('Mish', [x]),
      by((v) => v * Math.tanh(Math.log(1 + Math.exp(v)))),
    );
    expectClose(
      apply('Swish', [x], { alpha: { float: 2 } }),
      by((v) => v / (1 + Math.exp(-2 * v))),
    );
    expectClose(
      apply('Elu', [x], { alpha: { float: 0.5 } }),
      by((v) => (v < 0 ? 0.5 * (Math.exp(v) - 1) : v)),
    );
    expectClose(
      apply('Softsign', [x]),
      by((v) => v / (1 + Math.abs(v))),
    );
    expectClose(
      apply('HardSwish', [x]),
      by((v) => (v * Math.max(0, Math.min(6, v + 3))) / 6),
    );
  });

  it('comparisons partition the pairs', () => {
    often(() => {
      const [a, b] = [integers([20], -2, 2), integers([20], -2, 2)];
      const total = ['Less', 'Equal', 'Greater'].map((op) => numbersOf(apply(op, [a, b])));
      expect(total[0]?.map((v, i) => v + (total[1]?.[i] as number) + (total[2]?.[i] as number))).toEqual(
        Array.from({ length: 20 }, () => 1),
      );
    });
  });

  it('division and remainder belong together', () => {
    often(() => {
      const [a, b] = [integers([20], -50, 50), integers([20], 1, 9)];
      const whole = compute((g) => g.ops.mul(g.ops.div(g.constant(a), g.constant(b)), g.constant(b)));
      const rest = apply('Mod', [a, b], { fmod: int(1) });
      expect(numbersOf(apply('Add', [whole, rest]))).toEqual(numbersOf(a));
    });
  });
});

describe('reductions', () => {
  it('over two axes are one after the other', () => {
    often(() => {
      const x = uniform([2, 3, 4]);
      const op = oneOf(
        'ReduceSum',
        'ReduceMax',
        'ReduceMin',
        'ReduceProd',
        'ReduceL1',
        'ReduceMean',
        'ReduceLogSumExp',
      );
      const inner = apply(op, [x, vector(2)]);
      expectClose(apply(op, [x, vector(0, 2)]), apply(op, [inner, vector(0)]), 11);
    });
  });

  it('are what their names say', () => {
    const x = uniform([3, 5], 0.1, 2);
    const axes = vector(1);
    expectClose(apply('ReduceLogSum', [x, axes]), apply('Log', [apply('ReduceSum', [x, axes])]));
    expectClose(apply('ReduceLogSumExp', [x, axes]), apply('Log', [apply('ReduceSum', [apply('Exp', [x]), axes])]));
    expectClose(apply('ReduceSumSquare', [x, axes]), apply('ReduceSum', [apply('Mul', [x, x]), axes]));
    expectClose(apply('ReduceL2', [x, axes]), apply('Sqrt', [apply('ReduceSumSquare', [x, axes])]));
  });

  it('of nothing are the neutral element', () => {
    const empty = tensor('float64', [2, 0], []);
    const values = Object.fromEntries(
      ['ReduceSum', 'ReduceProd', 'ReduceMax', 'ReduceMin', 'ReduceLogSumExp'].map((op) => [
        op,
        numbersOf(apply(op, [empty, vector(1)], { keepdims: int(0) })),
      ]),
    );
    expect(values).toEqual({
      ReduceSum: [0, 0],
      ReduceProd: [1, 1],
      ReduceMax: [-Infinity, -Infinity],
      ReduceMin: [Infinity, Infinity],
      ReduceLogSumExp: [-Infinity, -Infinity],
    });
    const none = tensor('int32', [0], []);
    expect(numbersOf(apply('ReduceMax', [none]))).toEqual([-(2 ** 31)]);
  });

  it('ArgMax points at the maximum', () => {
    often(() => {
      const x = uniform([3, 5]);
      const best = apply('GatherElements', [x, apply('ArgMax', [x], { axis: int(1) })], { axis: int(1) });
      expectClose(best, apply('ReduceMax', [x, vector(1)]));
    });
  });
});

describe('movement', () => {
  it('a transpose and its inverse cancel', () => {
    often(() => {
      const x = uniform([2, 3, 1, 4]);
      const perm = oneOf([1, 2, 3, 0], [3, 1, 0, 2], [0, 2, 1, 3], [2, 3, 0, 1]);
      const inverse = perm.map((_, i) => perm.indexOf(i));
      expectClose(
        apply('Transpose', [apply('Transpose', [x], { perm: ints(...perm) })], { perm: ints(...inverse) }),
        x,
      );
    });
  });

  it('pieces make up the whole', () => {
    often(() => {
      const x = uniform([4, 6]);
      const [axis, at] = oneOf([0, 1], [0, 4], [1, 0], [1, 2], [1, 5]) as [number, number];
      const size = x.shape[axis] as number;
      expectClose(
        compute((g) => g.ops.concat(g.ops.split(g.constant(x), [at, size - at], { axis }), { axis })),
        x,
      );
    });
  });

  it('slicing backwards twice, or cropping what was padded, changes nothing', () => {
    often(() => {
      const x = uniform([3, 4]);
      const backwards = { axis: oneOf(0, 1), start: -1, end: -100, step: -1 };
      expectClose(
        compute((g) => g.ops.slice(g.ops.slice(g.constant(x), [backwards]), [backwards])),
        x,
      );
      const pads = Array.from({ length: 4 }, () => oneOf(0, 1, 2));
      const mode = { mode: { string: oneOf('constant', 'edge', 'reflect', 'wrap') } };
      const padded = apply('Pad', [x, vector(...pads)], mode);
      expectClose(apply('Pad', [padded, vector(...pads.map((v) => 0 - v))]), x);
    });
  });

  it('every slice is NumPy’s', () => {
    const x = tensor('int64', [7], [0, 1, 2, 3, 4, 5, 6]);
    often(() => {
      const [start, end, step] = [
        oneOf(-9, -3, -1, 0, 2, 6, 9),
        oneOf(-9, -4, -1, 0, 3, 7, 9),
        oneOf(-3, -2, -1, 1, 2, 3),
      ];
      const positions: number[] = [];
      // Python's definition: resolve, clamp, walk.
      const resolve = (v: number): number => (v < 0 ? v + 7 : v);
      const [low, high] = step > 0 ? [0, 7] : [-1, 6];
      const clamp = (v: number): number => Math.min(Math.max(resolve(v), low), high);
      for (let i = clamp(start); step > 0 ? i < clamp(end) : i > clamp(end); i += step) positions.push(i);
      const sliced = apply('Slice', [x, vector(start), vector(end), vector(0), vector(step)]);
      // ONNX clamps a start below the first element to it where Python has nothing left.
      if (step > 0 || resolve(start) >= 0) expect(numbersOf(sliced)).toEqual(positions);
    }, 200);
  });

  it('tiles are copies side by side', () => {
    const x = uniform([2, 3]);
    expectClose(
      apply('Tile', [x, vector(1, 3)]),
      compute((g) =>
        g.ops.concat(
          [x, x, x].map((v) => g.constant(v)),
          { axis: 1 },
        ),
      ),
    );
  });

  it('blocks go to depth and back', () => {
    often(() => {
      const [size, x] = [oneOf(1, 2), uniform([2, 3, 4, 8])];
      const deep = apply('SpaceToDepth', [x], { blocksize: int(size) });
      expectClose(apply('DepthToSpace', [deep], { blocksize: int(size), mode: { string: 'DCR' } }), x);
    });
  });

  it('scans have their sums', () => {
    const x = uniform([3, 5]);
    const axis = tensor('int64', [], [1]);
    const forward = apply('CumSum', [x, axis]);
    const backward = apply('CumSum', [x, axis], { reverse: int(1), exclusive: int(1) });
    expectClose(apply('Add', [forward, backward]), apply('Expand', [apply('ReduceSum', [x, vector(1)]), vector(3, 5)]));
  });
});

describe('indexing', () => {
  it('one-hot rows pick rows', () => {
    often(() => {
      const [x, indices] = [uniform([5, 3]), integers([4], 0, 4)];
      const hot = apply('OneHot', [indices, tensor('int64', [], [5]), tensor('float64', [2], [0, 1])]);
      expectClose(apply('MatMul', [hot, x]), apply('Gather', [x, indices]));
    });
  });

  it('scattering adds is the transpose of gathering', () => {
    often(() => {
      const [x, y, indices] = [uniform([5, 3]), uniform([4, 3]), integers([4, 3], -5, 4)];
      const gathered = apply('GatherElements', [x, indices], { axis: int(0) });
      const zeros = tensor('float64', [5, 3], new Float64Array(15));
      const scattered = apply('ScatterElements', [zeros, indices, y], { axis: int(0), reduction: { string: 'add' } });
      const inner = (a: TensorData, b: TensorData): TensorData =>
        apply('ReduceSum', [apply('Mul', [a, b])], { keepdims: int(0) });
      expectClose(inner(gathered, y), inner(x, scattered));
    });
  });

  it('ScatterND is ScatterElements on whole rows', () => {
    often(() => {
      const [x, updates, indices] = [uniform([5, 3]), uniform([4, 3]), integers([4, 1], 0, 4)];
      const reduction = { reduction: { string: oneOf('add', 'mul', 'min', 'max', 'none') } };
      const spread = apply('Expand', [indices, vector(4, 3)]);
      expectClose(
        apply('ScatterND', [x, indices, updates], reduction),
        apply('ScatterElements', [x, spread, updates], { axis: int(0), ...reduction }),
      );
    });
  });

  it('GatherND of NonZero are the elements that are not zero', () => {
    often(() => {
      const x = integers([3, 4], -1, 1);
      const picked = apply('GatherND', [x, apply('Transpose', [apply('NonZero', [x])])]);
      expect(numbersOf(picked)).toEqual(numbersOf(x).filter((v) => v !== 0));
    });
  });

  it('TopK sorts', () => {
    often(() => {
      const x = integers([9], -3, 3);
      const sorted = compute((g) => g.node('TopK', [g.constant(x), g.ints([9])], { outputs: 2 })[0] as Value);
      expect(numbersOf(sorted)).toEqual(numbersOf(x).sort((a, b) => b - a));
    });
  });

  it('TopK takes NaN for the largest, as NumPy sorts', () => {
    const x = tensor('float64', [5], [1, Number.NaN, 3, -Infinity, Infinity]);
    const best = (largest: number): number[] =>
      numbersOf(
        compute((g) => {
          const attributes = { largest: int(largest) };
          return g.node('TopK', [g.constant(x), g.ints([3])], { outputs: 2, attributes })[0] as Value;
        }),
      );
    expect(best(1)).toEqual([Number.NaN, Infinity, 3]);
    expect(best(0)).toEqual([-Infinity, 1, 3]);
  });
});
