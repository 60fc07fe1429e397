import { describe, expect, it } from 'vitest';
import { AttributeProto_AttributeType as Kind } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { decodeOnnx } from '../../src/formats/onnx/model.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import { memorySource } from '../../src/formats/source.ts';
import type { Graph, Shape } from '../../src/ir.ts';
import { type AttributeInit, info, model, node, type TensorInit } from './crafted.ts';

const INT64 = 7;

const ints = (name: string, ...values: number[]): TensorInit => ({
  name,
  dataType: INT64,
  dims: [BigInt(values.length)],
  int64Data: values.map(BigInt),
});

const int = (name: string, value: number): AttributeInit => ({ name, type: Kind.INT, i: BigInt(value) });

const read = (bytes: Uint8Array): Promise<Graph> => readOnnx(memorySource(bytes, 'm.onnx'));

/** A shape with the symbols that inference made up as `?`. */
const plain = (shape: Shape | undefined): unknown => shape?.map((dim) => (typeof dim === 'string' ? '?' : dim));

describe('shapes that are computed at run time', () => {
  const inputs = [info('x', [2, 1, 8]), info('sizes', [2], INT64), info('axes', [1], INT64)];

  it.each([
    [
      'Split',
      ['x', 'sizes'],
      [int('axis', 2)],
      [
        [2, 1, '?'],
        [2, 1, '?'],
      ],
    ],
    ['Squeeze', ['x', 'axes'], [], [['?', '?']]],
    ['Unsqueeze', ['x', 'axes'], [], [['?', '?', '?', '?']]],
    ['Reshape', ['x', 'sizes'], [], [['?', '?']]],
    ['Pad', ['x', 'sizes', '', 'axes'], [], [['?', '?', '?']]],
  ] as const)('have the rank that %s gives them, and no size', async (op, names, attribute, expected) => {
    const outputs = expected.map((_, i) => `y${i}`);
    const bytes = model({
      input: inputs,
      node: [node(op, [...names], outputs, { attribute: [...attribute] })],
      output: outputs.map((name) => ({ name })),
    });
    const graph = await read(bytes);
    expect([...graph.outputs.values()].map(({ shape }) => plain(shape))).toEqual(expected);
  });

  it('are known where they follow from static shapes', async () => {
    // y = reshape(x, concat(shape(x)[0:1], zeros(rank - 1) + 1)), with the rank taken from the shape.
    const bytes = model({
      input: [info('x', [6, 1, 1])],
      initializer: [ints('zero', 0), ints('one', 1)],
      node: [
        node('Shape', ['x'], ['shape']),
        node('Size', ['shape'], ['rank']),
        node('Sub', ['rank', 'one'], ['rest']),
        node('Slice', ['shape', 'zero', 'one'], ['first']),
        node('ConstantOfShape', ['rest'], ['zeros'], {
          attribute: [{ name: 'value', type: Kind.TENSOR, t: ints('', 1) }],
        }),
        node('Concat', ['first', 'zeros'], ['target'], { attribute: [int('axis', 0)] }),
        node('Reshape', ['x', 'target'], ['y']),
      ],
      output: [{ name: 'y' }],
    });
    const graph = await read(bytes);
    expect(graph.outputs.get('y')?.shape).toEqual([6, 1, 1]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Reshape']);
  });
});

describe('CastLike', () => {
  it('is a Cast to the type of its second input', async () => {
    const bytes = model({
      input: [info('x', [2]), info('like', ['n'], 10)],
      node: [node('CastLike', ['x', 'like'], ['y'])],
      output: [{ name: 'y' }],
    });
    const graph = await read(bytes);
    expect(graph.nodes).toMatchObject([{ op: 'Cast', attributes: { to: { int: 10 } } }]);
    expect(graph.outputs.get('y')).toMatchObject({ dtype: 'float16', shape: [2] });
  });
});

describe('types in a written file', () => {
  it('are left out for what nothing uses', async () => {
    // The mask of an old Dropout is not what newer ones make it.
    const bytes = model({
      node: [node('Dropout', ['x'], ['a', 'mask']), node('Relu', ['a'], ['b']), node('Neg', ['b'], ['y'])],
      output: [{ name: 'y' }],
    });
    const { graph } = await decodeOnnx(memorySource((await writeOnnx(await read(bytes), { valueInfo: true })).model));
    expect(graph?.valueInfo.map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
