import { readFileSync } from 'node:fs';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { AttributeProto_AttributeType as Kind, NodeProtoSchema } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';
import { loadTensor } from '../../src/tensor.ts';
import {
  branch,
  external,
  floats,
  info,
  joined,
  joinLarge,
  model,
  nested,
  node,
  type NodeInit,
  read,
  type TensorInit,
  varint,
  withTensor,
  yes,
} from './crafted.ts';
import { countingSource, errorOf, expectFormatError, expectQuickError, expectQuickFormatError } from './harness.ts';

describe('a damaged container', () => {
  const ones = (count: number): number[] => Array.from({ length: count }, () => 0xff);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /one graph, this file has 0/],
    ['text', new TextEncoder().encode('<!doctype html>'), /byte 0: /],
    ['a wire type of groups', Uint8Array.of(0x3b), /byte 0: wire type 3/],
    ['field number 0', Uint8Array.of(0x02, 0x00), /byte 0: 0 is not a field number/],
    ['a graph of 2^62 bytes', Uint8Array.of(0x3a, ...ones(8), 0x3f), /byte 0: field 7 says/],
    ['a length without end', Uint8Array.of(0x3a, ...ones(12)), /byte 1: the file ends within/],
    ['two graphs', joined(model({}), model({})), /one graph, this file has 2/],
    ['a graph that is a number', Uint8Array.of(0x38, 1), /this file has 0/],
    ['a number without end', joined([0x12, 2, 0xff, 0xff, 0x3a, 0, 0x40, 0x80]), /byte 7: the file ends within/],
  ])('%s', async (_, bytes, message) => {
    const error = await expectQuickFormatError(() => read(bytes), message);
    expect(error.at).toMatchObject({ file: 'm.onnx' });
    expect(error.message.startsWith('m.onnx')).toBe(true);
  });

  it('cut off anywhere', async () => {
    const bytes = new Uint8Array(readFileSync(new URL('../fixtures/onnx/names.onnx', import.meta.url)));
    for (let length = 0; length < bytes.length; length++) {
      await expectFormatError(() => read(bytes.subarray(0, length)), /^m\.onnx/);
    }
  });
});

describe('a tensor', () => {
  const two60 = 2n ** 60n;
  it.each<[string, TensorInit, RegExp]>([
    ['of 2^60 elements', floats(two60), /dimension of 1152921504606846976/],
    ['of 2^50 · 2^50 elements', floats(2n ** 50n, 2n ** 50n), /more elements than any file/],
    ['of -1 elements', floats(-1), /dimension of -1/],
    ['without elements', floats(2 ** 40), /takes 1099511627776 numbers, the file has 0/],
    ['with too few bytes', { ...floats(3), rawData: new Uint8Array(8) }, /takes 12 bytes, the file has 8/],
    ['with too many bytes', { ...floats(1000), rawData: new Uint8Array(4004) }, /takes 4000 bytes, the file has 4004/],
    ['with too few numbers', { ...floats(3), floatData: [1, 2] }, /takes 3 numbers, the file has 2/],
    ['with numbers in the wrong field', { ...floats(1), int32Data: [1] }, /takes 1 numbers, the file has 0/],
    ['of an unknown type', { dataType: 99, dims: [1n] }, /unknown element type 99/],
    ['of no type', { dims: [1n] }, /unknown element type 0/],
    ['of strings', { dataType: 8, dims: [1n], stringData: [Uint8Array.of(65)] }, /string tensors/],
    ['in segments', { ...floats(1), segment: { begin: 0n, end: 1n }, floatData: [1] }, /segmented/],
    ['of 65 axes', floats(...Array.from({ length: 65 }, () => 1)), /65 axes/],
    ['without a name', { ...floats(1), name: '', floatData: [1] }, /without a name/],
  ])('%s', async (_, tensor, message) => {
    const error = await expectQuickFormatError(() => read(withTensor(tensor)), message);
    expect(error.at).toMatchObject({ file: 'm.onnx', offset: expect.any(Number) as number });
    if (tensor.name !== '') expect(error.at).toMatchObject({ tensor: 'w' });
  });

  it('may be lazy and gone when it is wanted', async () => {
    const bytes = withTensor({ ...floats(1000), rawData: new Uint8Array(4000) });
    const source = memorySource(bytes, 'm.onnx');
    const shrinking = {
      ...source,
      read: (offset: number, length: number) =>
        length === 4000 ? Promise.reject(new Error('gone')) : source.read(offset, length),
    };
    const graph = await readOnnx(shrinking);
    await expect(loadTensor(graph.parameters.get('w')!.data)).rejects.toThrow('gone');
  });
});

describe('external data', () => {
  const none = (): Promise<never> => Promise.reject(new Error('must not be opened'));
  it.each<[string, string, RegExp]>([
    ['an absolute path', '/etc/passwd', /not relative/],
    ['a path of Windows', 'C:\\secrets', /not relative/],
    ['a network path', '\\\\host\\share', /not relative/],
    ['a URL', 'file:///etc/passwd', /not relative/],
    ['a path to the parent', '../weights', /leaves the folder/],
    ['a path back up', 'a/b/../../../weights', /leaves the folder/],
    ['a path back up with backslashes', 'a\\..\\..\\weights', /leaves the folder/],
    ['a zero byte', 'weights\0.bin', /zero byte/],
    ['no location', '', /it is empty/],
  ])('at %s', async (_, location, message) => {
    const error = await expectFormatError(() => read(external({ location }), { external: none }), message);
    expect(error.at).toMatchObject({ tensor: 'w' });
  });

  const open = (): Promise<ReturnType<typeof memorySource>> =>
    Promise.resolve(memorySource(new Uint8Array(8), 'w.bin'));
  it.each<[string, Record<string, string>, RegExp]>([
    ['an offset beyond the file', { offset: '4' }, /w\.bin, tensor "w", byte 4: 8 bytes from 4 are outside/],
    ['a huge offset', { offset: '999999999999999' }, /outside the file of 8 bytes/],
    ['an offset that is no number', { offset: '1e3' }, /offset "1e3" .* is not a number/],
    ['a negative offset', { offset: '-1' }, /is not a number/],
    ['an offset of 30 digits', { offset: '9'.repeat(30) }, /is not a number/],
    ['another length', { length: '4' }, /takes 8 bytes, its external data has 4/],
  ])('with %s', async (_, facts, message) => {
    await expectQuickFormatError(() => read(external({ location: 'w.bin', ...facts }), { external: open }), message);
  });

  it('that claims more than memory is not allocated', async () => {
    await expectQuickFormatError(
      () => read(external({ location: 'w.bin' }, floats(2 ** 40)), { external: open }),
      /4398046511104 bytes from 0 are outside/,
    );
  });
});

describe('a graph', () => {
  const y = [{ name: 'y' }];
  it.each<[string, Uint8Array, RegExp]>([
    [
      'with a cycle',
      model({ node: [node('Relu', ['b'], ['a']), node('Neg', ['a'], ['b'])], output: [{ name: 'a' }] }),
      /has a cycle/,
    ],
    ['with a node that uses itself', model({ node: [node('Relu', ['y'], ['y'])], output: y }), /has a cycle/],
    [
      'with two producers',
      model({ node: [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])], output: y }),
      /tensor "y".*two nodes produce/,
    ],
    ['that produces an input', model({ node: [node('Relu', ['x'], ['x'])], output: y }), /cycle/],
    [
      'that produces an initializer',
      model({
        initializer: [{ ...floats(2), name: 'y', floatData: [1, 2] }],
        node: [node('Relu', ['x'], ['y'])],
        output: y,
      }),
      /tensor "y".*two values have this name/,
    ],
    [
      'with two initializers of a name',
      model({ initializer: [1, 2].map(() => ({ ...floats(1), name: 'w', floatData: [1] })) }),
      /two values have this name/,
    ],
    [
      'with two inputs of a name',
      model({
        input: [info('x', []), info('x', [])],
      }),
      /two inputs have this name/,
    ],
    [
      'without what a node uses',
      model({ node: [node('Relu', ['nothing'], ['y'])], output: y }),
      /tensor "nothing", node "the Relu": nothing produces this input/,
    ],
    ['without its output', model({ output: y }), /nothing produces this output/],
    [
      'with two outputs of a name',
      model({ node: [node('Relu', ['x'], ['y'])], output: [...y, ...y] }),
      /two outputs have this name/,
    ],
    [
      'with an input of 2^60',
      model({
        input: [info('x', [2n ** 60n])],
      }),
      /dimension of 1152921504606846976/,
    ],
    [
      'with an input without a type',
      model({ input: [{ name: 'x' }] }),
      /tensor "x": the input is not a tensor of known rank/,
    ],
    [
      'with a sequence',
      model({ input: [{ name: 'x', type: { value: { case: 'sequenceType', value: {} } } }] }),
      /not a tensor of known rank/,
    ],
    ['with a nameless input', model({ input: [{}] }), /an input has no name/],
    [
      'with a loop without body',
      model({ node: [node('Loop', ['', ''], ['y'], { attribute: branch({}) })], output: y }),
      /Loop has no body/,
    ],
    [
      'with an inner graph of another operator',
      model({ node: [node('Relu', ['x'], ['y'], { attribute: branch({}) })], output: y }),
      /Relu runs an inner graph, which is not supported/,
    ],
    ['with an If without condition', model({ node: [node('If', [''], ['y'])], output: y }), /If has no then_branch/],
    [
      'with an If without branch',
      model({ initializer: [yes], node: [node('If', ['yes'], ['y'])], output: y }),
      /If has no then_branch/,
    ],
    [
      'with a branch without its output',
      model({
        initializer: [yes],
        node: [node('If', ['yes'], ['y'], { attribute: branch({ output: [{ name: 'z' }] }) })],
        output: y,
      }),
      /nothing produces this output/,
    ],
    [
      'with a branch that needs the node it belongs to',
      model({
        initializer: [yes],
        node: [
          node('If', ['yes'], ['y'], {
            attribute: branch({ node: [node('Relu', ['y'], ['z'])], output: [{ name: 'z' }] }),
          }),
        ],
        output: y,
      }),
      /node "the If": .*has a cycle/,
    ],
    [
      'with padding for other axes',
      model({
        initializer: [{ name: 'p', dataType: 7, dims: [1n], int64Data: [1n] }],
        node: [node('Pad', ['x', 'p'], ['y'])],
        output: y,
      }),
      /node "the Pad": .*which is not possible/,
    ],
    [
      'with a negative size',
      model({
        initializer: [{ name: 's', dataType: 7, dims: [1n], int64Data: [-5n] }],
        node: [node('ConstantOfShape', ['s'], ['y'])],
        output: y,
      }),
      /node "the ConstantOfShape": .*not possible/,
    ],
    ['with sparse tensors', model({ sparseInitializer: [{}] }), /sparse/],
    ['with an empty Constant', model({ node: [node('Constant', [], ['y'])], output: y }), /without a tensor or number/],
    [
      'with a tensor attribute that is not there',
      model({ node: [node('Constant', [], ['y'], { attribute: [{ name: 'value', type: Kind.TENSOR }] })], output: y }),
      /attribute "value" has no tensor/,
    ],
    [
      'with a damaged tensor attribute',
      model({
        node: [
          node('Constant', [], ['y'], { attribute: [{ name: 'value', type: Kind.TENSOR, t: floats(2n ** 40n) }] }),
        ],
        output: y,
      }),
      /node "the Constant": .*takes 1099511627776 numbers/,
    ],
    [
      'with an attribute twice',
      model({
        node: [node('Relu', ['x'], ['y'], { attribute: [1, 2].map(() => ({ name: 'a', type: Kind.INT, i: 1n })) })],
        output: y,
      }),
      /attribute "a" is there twice/,
    ],
    [
      'with an attribute of types',
      model({ node: [node('Relu', ['x'], ['y'], { attribute: [{ name: 'a', type: Kind.TYPE_PROTO }] })], output: y }),
      /of a kind \(13\)/,
    ],
    ['of operator set -1', model({}, { opsetImport: [{ version: -1n }] }), /operator set version -1/],
    ['with a function twice', model({}, { functions: [{ name: 'F' }, { name: 'F' }] }), /F is defined twice/],
  ])('%s', async (_, bytes, message) => {
    const error = await expectQuickError(() => read(bytes), message);
    expect(error.code).toMatch(/^ANNEAL_E_(FORMAT|SHAPE)$/);
    expect(error.at).toMatchObject({ file: 'm.onnx' });
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    [
      'a missing type',
      model({ node: [node('Mystery', ['x'], ['y'])], output: y }),
      'ANNEAL_E_OP',
      /^m\.onnx, node "the Mystery": no type rule/,
    ],
    [
      'shapes that do not fit',
      model({
        initializer: [{ ...floats(3), name: 'w', floatData: [1, 2, 3] }],
        node: [node('Add', ['x', 'w'], ['y'])],
        output: y,
      }),
      'ANNEAL_E_SHAPE',
      /^m\.onnx, node "the Add": .*do not broadcast/,
    ],
    [
      'a missing input',
      model({ node: [node('Add', ['x', ''], ['y'])], output: y }),
      'ANNEAL_E_OP',
      /^m\.onnx, node "the Add": .*input 1 is missing/,
    ],
  ])('with %s says which node', async (_, bytes, code, message) => {
    const error = await errorOf(() => read(bytes));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.at).toMatchObject({ file: 'm.onnx' });
  });
});

describe('what would take too much time or memory', () => {
  const call = (name: string, input: string, output: string): NodeInit =>
    node(name, [input], [output], { domain: 'f' });

  it('functions that call themselves', async () => {
    const f = { name: 'F', domain: 'f', input: ['a'], output: ['b'], node: [call('F', 'a', 'b')] };
    const bytes = model({ node: [call('F', 'x', 'y')], output: [{ name: 'y' }] }, { functions: [f] });
    await expectQuickFormatError(() => read(bytes), /nest deeper than 32/);
  });

  it('functions that double at every level', async () => {
    const functions = Array.from({ length: 30 }, (_, i) => ({
      name: `F${i}`,
      domain: 'f',
      input: ['a'],
      output: ['c'],
      node: [call(`F${i + 1}`, 'a', 'b'), call(`F${i + 1}`, 'b', 'c')],
    }));
    functions.push({
      name: 'F30',
      domain: 'f',
      input: ['a'],
      output: ['c'],
      node: [node('Relu', ['a'], ['c']), node('Neg', ['a'], ['d'])],
    });
    const bytes = model({ node: [call('F0', 'x', 'y')], output: [{ name: 'y' }] }, { functions });
    await expectFormatError(() => read(bytes), /with its functions inlined the graph has more than \d+ nodes/);
  });

  it('graphs nested 40 deep', async () => {
    const { node: nodes } = nested(40);
    const bytes = model({ initializer: [yes], node: nodes, output: [{ name: 'y' }] });
    await expectQuickFormatError(() => read(bytes), /nest|recursion/);
  });

  it('millions of empty messages', async () => {
    // An attribute of no bytes takes two in the file and a few hundred in memory.
    const attributes = new Uint8Array(new Uint16Array(5_000_000).fill(0x2a).buffer);
    const bytes = joinLarge(0x0a, attributes);
    await expectFormatError(() => read(joinLarge(0x3a, bytes)), /more than \d+ parts besides its weights/);
  });

  it('shapes with thousands of axes', async () => {
    const axes: TensorInit = {
      name: 'axes',
      dataType: 7,
      dims: [100n],
      int64Data: Array.from({ length: 100 }, (_, i) => BigInt(i)),
    };
    const bytes = model({
      initializer: [axes],
      node: [node('Unsqueeze', ['x', 'axes'], ['y'])],
      output: [{ name: 'y' }],
    });
    await expectQuickFormatError(() => read(bytes), /100 axes|101 axes/);
  });

  it('a reshape to a rank of 2^31', async () => {
    const bytes = model({
      input: [info('s', [2 ** 31], 7)],
      initializer: [{ ...floats(2), name: 'w', floatData: [1, 2] }],
      node: [node('Reshape', ['w', 's'], ['y'])],
      output: [{ name: 'y' }],
    });
    const error = await errorOf(() => read(bytes));
    expect([error.code, error.message]).toEqual(['ANNEAL_E_SHAPE', expect.stringMatching(/2147483648 axes/)]);
  });

  it('symbols that grow at every node', async () => {
    const nodes = Array.from({ length: 60 }, (_, i) => [
      node('Add', [i === 0 ? 'a' : `a${i}`, i === 0 ? 'b' : `b${i}`], [`a${i + 1}`]),
      node('Add', [i === 0 ? 'b' : `b${i}`, i === 0 ? 'a' : `a${i}`], [`b${i + 1}`]),
    ]).flat();
    const bytes = model({ input: [info('a', ['a']), info('b', ['b'])], node: nodes, output: [{ name: 'a60' }] });
    await expectQuickFormatError(() => read(bytes), /shape of an output is too complicated/);
  });

  it('a tensor of a terabyte, which is left where it is', async () => {
    const bytes = 1e12;
    const tensor = [0x10, 2, 0x08, ...varint(bytes), 0x42, 1, 0x77, 0x4a, ...varint(bytes)];
    const initializer = [0x2a, ...varint(tensor.length + bytes), ...tensor];
    const output = [0x62, 3, 0x0a, 1, 0x77];
    const graph = [0x3a, ...varint(output.length + initializer.length + bytes), ...output, ...initializer];
    const head = Uint8Array.from([0x08, 10, 0x42, 2, 0x10, 21, ...graph]);
    const source = countingSource({
      name: 'm.onnx',
      size: head.length + bytes,
      read: (offset, length) => Promise.resolve(head.slice(offset, offset + length)),
    });
    const { parameters } = await readOnnx(source);
    expect(parameters.get('w')?.data).toMatchObject({ dtype: 'uint8', shape: [bytes], offset: head.length });
    expect(source.bytesRead).toBeLessThan(1e6);
  });

  it('a million nodes, one of which is wrong', async () => {
    const first = model({ node: [node('Relu', ['x'], ['y'])], output: [{ name: 'y' }] });
    const bad = toBinary(NodeProtoSchema, create(NodeProtoSchema, { opType: 'Add', input: ['x'] }));
    const nodes = new Uint8Array(1_000_001 * (bad.length + 2));
    for (let i = 0; i <= 1_000_000; i++) nodes.set([0x0a, bad.length, ...bad], i * (bad.length + 2));
    await expectFormatError(() => read(joined(first, joinLarge(0x3a, nodes))), /this file has 2/);
    await expectFormatError(() => read(joinLarge(0x3a, nodes)), /a message has more than 1000000 fields/);
  });
});
