import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  type DType,
  evaluate,
  type Graph,
  GraphBuilder,
  interpret,
  memorySource,
  tensor,
  type TensorData,
  toFloat16Bits,
  toNumbers,
  type Value,
} from '../src/index.ts';

function graphOf(trace: (g: GraphBuilder) => Value): Graph {
  const g = new GraphBuilder();
  g.output('y', trace(g));
  return g.build({ name: 'test' });
}

const run = (trace: (g: GraphBuilder) => Value, feeds: Readonly<Record<string, TensorData>> = {}): TensorData =>
  evaluate(graphOf(trace), feeds)['y'] as TensorData;

const floats = (...values: number[]): TensorData => tensor('float32', [values.length], values);

const doubled = graphOf((g) => g.ops.mul(g.input('x', 'float32', ['n', 2]), 2));

describe('feeds', () => {
  it.each<[string, Record<string, TensorData>, string, RegExp]>([
    ['is missing', {}, 'ANNEAL_E_GRAPH', /"test": input "x" is not fed/],
    ['is unknown', { z: floats(1) }, 'ANNEAL_E_GRAPH', /"test" has no input "z"/],
    [
      'has another type',
      { x: tensor('int32', [1, 2], [1, 2]) },
      'ANNEAL_E_DTYPE',
      /input "x" is float32, received int32/,
    ],
    [
      'has another shape',
      { x: tensor('float32', [2, 1], [1, 2]) },
      'ANNEAL_E_SHAPE',
      /is \[n=2, 2\], received \[2,1\]/,
    ],
    ['has another rank', { x: floats(1, 2) }, 'ANNEAL_E_SHAPE', /received \[2\]/],
  ])('are refused when one %s', (_name, feeds, code, message) => {
    expect(() => evaluate(doubled, feeds)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('agree on what a symbol stands for', () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.add(g.input('a', 'float32', ['n']), g.input('b', 'float32', ['n'])));
    const graph = g.build();
    expect(evaluate(graph, { a: floats(1, 2), b: floats(3, 4) })['y']).toEqual(floats(4, 6));
    expect(() => evaluate(graph, { a: floats(1, 2), b: floats(3) })).toThrow(/input "b" is \[n=2\], received \[1\]/);
  });

  it('stay as they are', () => {
    const x = tensor('float32', [1, 2], [1, 2]);
    const { y } = evaluate(
      graphOf((g) => g.ops.identity(g.input('x', 'float32', [1, 2]))),
      { x },
    );
    (y as TensorData).data[0] = 5;
    expect(x.data[0]).toBe(1);
  });
});

describe('errors', () => {
  it('name what the interpreter does not know, and the module', () => {
    const types = [{ dtype: 'float32' as const, shape: [1] }];
    const trace = (g: GraphBuilder): Value =>
      g.scope('layer', () => g.one('Mystery', [g.scalar(1, 'float32')], { domain: 'a.b', types }));
    expect(() => run(trace)).toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_OP',
        at: { module: 'layer' },
        message: expect.stringContaining('Mystery'),
      }),
    );
  });

  it('tell when a result does not have the declared shape', () => {
    const g = new GraphBuilder();
    const y = g.ops.exp(g.input('x', 'float32', [2]));
    g.output('y', y);
    const graph = g.build();
    const broken: Graph = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, op: 'Shape' })) };
    expect(() => evaluate(broken, { x: floats(1, 2) })).toThrow(/should be \[2\], its computation gives \[1\]/);
  });

  it('refuse what a graph cannot decide', () => {
    const dropout = (g: GraphBuilder): Value =>
      g.one('Dropout', [g.input('x', 'float32', [1]), g.scalar(0.5, 'float32'), g.scalar(1, 'bool')]);
    expect(() => run(dropout, { x: floats(1) })).toThrow(/Dropout: training mode draws random numbers/);
  });

  it.each<[string, (g: GraphBuilder) => Value, RegExp]>([
    [
      'an index outside',
      (g) => g.one('Gather', [g.ints([1, 2]), g.scalar(2, 'int64')]),
      /index 2 is outside an axis of 2/,
    ],
    [
      'a negative index outside',
      (g) => g.one('Gather', [g.ints([1, 2]), g.scalar(-3, 'int64')]),
      /index -3 is outside/,
    ],
    [
      'a step of zero',
      (g) =>
        g.one(
          'Range',
          [1, 2, 0].map((v) => g.ops.add(g.scalar(v, 'int64'), 0)),
        ),
      /must not be zero/,
    ],
    [
      'too many of the best',
      (g) => g.node('TopK', [g.ints([1]), g.ops.add(g.ints([3]), 0)], { outputs: 2 })[0] as Value,
      /k is 3, the axis has 1/,
    ],
    [
      'a shape of another size',
      (g) => g.one('Reshape', [g.ints([1, 2, 3]), g.ops.add(g.ints([2]), 0)]),
      /cannot take the shape \[2\]/,
    ],
    [
      'sizes that do not add up',
      (g) => g.node('Split', [g.ints([1, 2]), g.ints([1, 2])], { outputs: 2 })[0] as Value,
      /do not add up/,
    ],
    [
      'an unknown padding',
      (g) => g.one('Pad', [g.ints([1]), g.ints([1, 1])], { attributes: { mode: { string: 'x' } } }),
      /unknown mode x/,
    ],
    [
      'an unknown reduction',
      (g) =>
        g.one('ScatterElements', [g.ints([1]), g.ints([0]), g.ints([1])], {
          attributes: { reduction: { string: 'x' } },
        }),
      /unknown reduction x/,
    ],
    [
      'antialiasing',
      (g) =>
        g.one('Resize', [g.constant(floats(1)), undefined, undefined, g.ints([2])], {
          attributes: { antialias: { int: 1 } },
        }),
      /no antialiasing/,
    ],
    [
      'an unknown way to find coordinates',
      (g) =>
        g.one('Resize', [g.constant(floats(1)), undefined, undefined, g.ints([2])], {
          attributes: { coordinate_transformation_mode: { string: 'tf_half_pixel_for_nn' } },
        }),
      /"tf_half_pixel_for_nn" is not known/,
    ],
  ])('%s', (_name, trace, message) => {
    expect(() => run(trace)).toThrow(message);
  });

  it('strings and complex numbers have no numbers', () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.identity(g.constant(tensor('complex64', [1], [1, 0]))));
    expect(() => evaluate(g.build(), {})).toThrow(/does not compute with complex64/);
  });
});

describe('precision', () => {
  const third = graphOf((g) => g.ops.mul(g.ops.div(g.input('x', 'float32', [1]), 3), 3e-8));

  it('is that of the element type', () => {
    const expected = Math.fround(Math.fround(1 / 3) * Math.fround(3e-8));
    expect(evaluate(third, { x: floats(1) })['y']).toEqual(floats(expected));
  });

  it('is double on request, for finite differences', () => {
    const { y } = evaluate(third, { x: tensor('float64', [1], [1]) }, { precision: 'float64' });
    expect(y?.dtype).toBe('float64');
    expect(y?.data[0]).toBeCloseTo(Math.fround(3e-8) / 3, 22);
    expect(y?.data[0]).not.toBe(Math.fround(Number(y?.data[0])));
  });

  it('takes float32 feeds too, and leaves integers what they are', () => {
    const graph = graphOf((g) => g.ops.argmax(g.input('x', 'float32', [2])));
    expect(evaluate(graph, { x: floats(1, 2) }, { precision: 'float64' })['y']).toEqual(tensor('int64', [], [1n]));
    expect(() => evaluate(graph, { x: tensor('int64', [2], [1, 2]) }, { precision: 'float64' })).toThrow(
      /received int64/,
    );
  });

  it('gives derivatives by differences to nine digits', () => {
    const weighted = graphOf((g) => {
      const p = g.ops.softmax(g.input('x', 'float32', [3]));
      return g.ops.sum(g.ops.mul(p, g.constant(floats(1, 2, 4))));
    });
    const at = (h: number): number =>
      Number(
        evaluate(weighted, { x: tensor('float64', [3], [0.1 + h, -0.3, 0.7]) }, { precision: 'float64' })['y']?.data[0],
      );
    const e = [0.1, -0.3, 0.7].map(Math.exp);
    const p = e.map((v) => v / e.reduce((a, b) => a + b));
    const mean = (p[0] as number) + 2 * (p[1] as number) + 4 * (p[2] as number);
    expect((at(1e-5) - at(-1e-5)) / 2e-5).toBeCloseTo((p[0] as number) * (1 - mean), 9);
  });
});

describe('element types', () => {
  const through = (dtype: DType, values: number[], shape: number[] = [values.length]): number[] =>
    Array.from(
      toNumbers(run((g) => g.ops.cast(g.input('x', 'float64', shape), dtype), { x: tensor('float64', shape, values) })),
    );

  it('wrap around, truncate or round when they store', () => {
    expect(through('int8', [127, 128, -129, 2.9, -2.9, 300])).toEqual([127, -128, 127, 2, -2, 44]);
    expect(through('uint8', [-1, 256, 255.9])).toEqual([255, 0, 255]);
    expect(through('int16', [32768, -32769])).toEqual([-32768, 32767]);
    expect(through('uint16', [65536, -1])).toEqual([0, 65535]);
    expect(through('int32', [2 ** 31, 2 ** 32 + 7])).toEqual([-(2 ** 31), 7]);
    expect(through('uint32', [2 ** 32, -1])).toEqual([0, 2 ** 32 - 1]);
    expect(through('int4', [7, 8, -9])).toEqual([7, -8, 7]);
    expect(through('uint4', [15, 16, -1])).toEqual([15, 0, 15]);
    expect(through('int2', [1, 2, -2, -3, 5])).toEqual([1, -2, -2, 1, 1]);
    expect(through('uint2', [3, 4])).toEqual([3, 0]);
    expect(through('bool', [0, -0, 0.5, Number.NaN])).toEqual([0, 0, 1, 1]);
    expect(through('float16', [1.0004, 1e-9, 1e5])).toEqual([1, 0, Infinity]);
    expect(through('bfloat16', [1.005])).toEqual([1.0078125]);
    expect(through('float32', [0.1])).toEqual([Math.fround(0.1)]);
  });

  it('pack small ones little end first', () => {
    const packed = run((g) => g.ops.cast(g.input('x', 'int32', [3]), 'int4'), { x: tensor('int32', [3], [1, -2, 7]) });
    expect(Array.from(packed.data, Number)).toEqual([0xe1, 0x07]);
    const two = run((g) => g.ops.cast(g.input('x', 'int32', [5]), 'uint2'), {
      x: tensor('int32', [5], [1, 2, 3, 0, 2]),
    });
    expect(Array.from(two.data, Number)).toEqual([0b00111001, 0b10]);
    expect(Array.from(toNumbers(two))).toEqual([1, 2, 3, 0, 2]);
  });

  it('read 16-bit floats from their bits', () => {
    const half: TensorData = { dtype: 'float16', shape: [2], data: toFloat16Bits([1.5, -2], 'float16') };
    const brain: TensorData = { dtype: 'bfloat16', shape: [1], data: toFloat16Bits([-0.75], 'bfloat16') };
    expect([...toNumbers(half), ...toNumbers(brain)]).toEqual([1.5, -2, -0.75]);
  });

  it('keep the ends of 64 bits, and every integer below 2^53', () => {
    const ends = tensor('int64', [4], [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n - 1n, -(2n ** 53n) + 1n]);
    expect(run((g) => g.ops.identity(g.input('x', 'int64', [4])), { x: ends })).toEqual(ends);
    const top = tensor('uint64', [2], [2n ** 64n - 1n, 7n]);
    expect(run((g) => g.ops.identity(g.input('x', 'uint64', [2])), { x: top })).toEqual(top);
    const low = run((g) => g.ops.cast(g.input('x', 'int64', [4]), 'int32'), { x: ends });
    expect(Array.from(low.data, Number)).toEqual([-1, 0, -1, 1]);
  });

  it('multiply and shift integers as machines do', () => {
    const product = (dtype: DType, a: number[], b: number[]): TensorData =>
      run((g) => g.ops.mul(g.constant(tensor(dtype, [a.length], a)), g.constant(tensor(dtype, [a.length], b))));
    expect(Array.from(product('int32', [123456789, -(2 ** 31)], [987654321, -1]).data, Number)).toEqual([
      Math.imul(123456789, 987654321),
      -(2 ** 31),
    ]);
    expect(Array.from(product('uint32', [2 ** 31 + 1], [2 ** 31 + 1]).data, Number)).toEqual([1]);
    const shifted = run((g) =>
      g.one('BitShift', [g.constant(tensor('uint8', [2], [200, 3])), g.constant(tensor('uint8', [2], [1, 7]))], {
        attributes: { direction: { string: 'LEFT' } },
      }),
    );
    expect(Array.from(shifted.data, Number)).toEqual([144, 128]);
  });

  it('divide integers by zero without an end of the world', () => {
    const quotient = run((g) =>
      g.ops.div(g.constant(tensor('int32', [2], [5, -7])), g.constant(tensor('int32', [2], [0, 2]))),
    );
    expect(Array.from(quotient.data, Number)).toEqual([0, -3]);
  });
});

describe('parameters', () => {
  const source = memorySource(bytesOf(floats(1, 2, 3)));
  const graph = graphOf((g) => g.ops.mul(g.parameter('w', { dtype: 'float32', shape: [2], source, offset: 4 }), 2));

  it('are read by interpret', async () => {
    expect(await interpret(graph, {})).toEqual({ y: floats(4, 6) });
  });

  it('must be in memory for evaluate', () => {
    expect(() => evaluate(graph, {})).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_GRAPH', message: 'parameter "w" is not in memory' }),
    );
  });
});
