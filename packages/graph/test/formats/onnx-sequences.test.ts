import { describe, expect, it } from 'vitest';
import { AttributeProto_AttributeType as Kind } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import { tensor } from '../../src/tensor.ts';
import { type AttributeInit, info, model, node, type NodeInit, type TensorInit } from './crafted.ts';
import { runBytes } from '../canonicalize/runtime.ts';

const int = (name: string, ...values: bigint[]): TensorInit => ({
  name,
  dataType: 7,
  dims: values.length === 1 ? [] : [BigInt(values.length)],
  int64Data: values,
});
const axis = (value: number, name: string = 'axis'): AttributeInit => ({ name, type: Kind.INT, i: BigInt(value) });
const input = [info('a', [5, 2]), info('b', [1, 2]), info('given', [3], 7)];
const initializer = [int('first', 0n), int('second', 1n), int('last', -1n), int('two', 2n), int('sizes', 1n, 4n)];
const feeds = {
  a: tensor('float32', [5, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
  b: tensor('float32', [1, 2], [-1, -2]),
  given: tensor('int64', [3], [2, 0, 3]),
};

const CASES: Readonly<Record<string, readonly NodeInit[]>> = {
  'built, and taken from by position': [
    node('SequenceConstruct', ['a', 'b'], ['s']),
    node('SequenceAt', ['s', 'last'], ['y']),
  ],
  'grown at the end and at a position': [
    node('SequenceEmpty', [], ['e']),
    node('SequenceInsert', ['e', 'a'], ['s']),
    node('SequenceInsert', ['s', 'b', 'first'], ['t'], { name: 'another' }),
    node('ConcatFromSequence', ['t'], ['y'], { attribute: [axis(0)] }),
  ],
  'shrunk, and counted': [
    node('SequenceConstruct', ['a', 'b', 'a'], ['s']),
    node('SequenceErase', ['s', 'second'], ['t']),
    node('SequenceErase', ['t'], ['u'], { name: 'another' }),
    node('SequenceLength', ['u'], ['y']),
  ],
  'split into ones without their axis': [
    node('SplitToSequence', ['a'], ['s'], { attribute: [axis(0), axis(0, 'keepdims')] }),
    node('ConcatFromSequence', ['s'], ['y'], { attribute: [axis(1), axis(1, 'new_axis')] }),
  ],
  'split into pieces of two, the last shorter': [
    node('SplitToSequence', ['a', 'two'], ['s'], { attribute: [axis(0)] }),
    node('SequenceAt', ['s', 'two'], ['y']),
  ],
  'split into sizes that are an input': [
    node('SplitToSequence', ['a', 'given'], ['s'], { attribute: [axis(0)] }),
    node('SequenceAt', ['s', 'second'], ['y']),
  ],
  'split into sizes that are an input, and counted': [
    node('SplitToSequence', ['a', 'given'], ['s'], { attribute: [axis(0)] }),
    node('SequenceLength', ['s'], ['y']),
  ],
  'split into given sizes, and passed on': [
    node('SplitToSequence', ['a', 'sizes'], ['s'], { attribute: [axis(0)] }),
    node('Identity', ['s'], ['t']),
    node('SequenceAt', ['t', 'second'], ['y']),
  ],
};

describe('sequences', () => {
  it.each(Object.entries(CASES))('%s', async (_, nodes) => {
    const bytes = model({ input, initializer, node: [...nodes], output: [{ name: 'y' }] });
    const graph = await readOnnx(memorySource(bytes, 'm.onnx'));
    expect(graph.nodes.some(({ op }) => op.includes('Sequence'))).toBe(false);
    const y = graph.outputs.get('y');
    const typed = model({
      input,
      initializer,
      node: [...nodes],
      output: [info('y', y!.shape, y!.dtype === 'int64' ? 7 : 1)],
    });
    expect(evaluate(graph, feeds)).toEqual(await runBytes(typed, feeds));
  });

  it.each<[string, readonly NodeInit[], RegExp]>([
    [
      'a position that is an input',
      [
        node('SequenceConstruct', ['a', 'b'], ['s']),
        node('Cast', ['b'], ['p'], { attribute: [axis(7, 'to')] }),
        node('SequenceAt', ['s', 'p'], ['y']),
      ],
      /SequenceAt depends on what the model is given/,
    ],
    [
      'a position outside',
      [node('SequenceConstruct', ['a'], ['s']), node('SequenceAt', ['s', 'two'], ['y'])],
      /SequenceAt/,
    ],
    ['a list where a tensor is needed', [node('SequenceConstruct', ['a'], ['s']), node('Relu', ['s'], ['y'])], /Relu/],
    ['a list as an output', [node('SequenceConstruct', ['a'], ['y'])], /an output is a sequence/],
    [
      'a million pieces',
      [
        node('Expand', ['b', 'large'], ['c']),
        node('SplitToSequence', ['c'], ['s']),
        node('SequenceLength', ['s'], ['y']),
      ],
      /SplitToSequence/,
    ],
  ])('refuse %s', async (_, nodes, message) => {
    const bytes = model({
      input,
      initializer: [...initializer, int('large', 1_000_000n, 2n)],
      node: [...nodes],
      output: [{ name: 'y' }],
    });
    await expect(readOnnx(memorySource(bytes, 'm.onnx'))).rejects.toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_FORMAT', message: expect.stringMatching(message) as string }),
    );
  });
});
