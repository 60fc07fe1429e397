import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Backend, type DType, GraphBuilder, type Tensors, tensor, zeros } from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';
import { runtimeError } from '../src/runtime-error.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 1 });
});
afterAll(() => backend.close());

async function failureOf(build: (g: GraphBuilder) => void, feeds: Tensors, opset = 21): Promise<unknown> {
  const g = new GraphBuilder();
  g.scope('encoder', () => g.scope('layers.0', () => build(g)));
  const graph = g.build({ opsets: { '': opset, 'com.microsoft': 1, custom: 1 } });
  try {
    await (await backend.compile(graph, { label: 'step' })).run(feeds);
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('errors of the runtime', () => {
  it('name the program, the node and the module', async () => {
    const error = await failureOf(
      (g) => g.output('y', g.ops.take(g.input('x', 'float32', [2]), g.input('i', 'int64', [1]))),
      { x: zeros('float32', [2]), i: tensor('int64', [1], [9n]) },
    );
    expect(error).toMatchObject({
      name: 'AnnealError',
      code: 'ANNEAL_E_BACKEND',
      message:
        'cannot run "step" in encoder.layers.0: Gather: indices element out of data bounds, idx=9 must be within the inclusive range [-2,1]',
      fix: 'an index is outside the tensor that it selects from',
      at: { program: 'step', node: '/encoder/layers.0/Gather', module: 'encoder.layers.0' },
      cause: expect.objectContaining({ message: expect.stringContaining("Name:'/encoder/layers.0/Gather'") }),
    });
  });

  it('tell of too little memory, and the backend lives on', async () => {
    const build = (g: GraphBuilder): void => {
      const x = g.input('x', 'float32', [1]);
      g.output('y', g.ops.sum(g.ops.exp(g.ops.broadcastTo(x, [2 ** 42]))));
    };
    expect(await failureOf(build, { x: zeros('float32', [1]) })).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message:
        'cannot run "step" in encoder.layers.0: Expand: Failed to allocate memory for requested buffer of size 17592186044416',
      fix: 'it needs more memory than there is: use smaller batches or shorter sequences',
    });
    const g = new GraphBuilder();
    g.output('y', g.ops.neg(g.input('x', 'float32', [1])));
    expect(await (await backend.compile(g.build())).run({ x: tensor('float32', [1], [1]) })).toEqual({
      y: tensor('float32', [1], [-1]),
    });
  });

  it('tell of an operator that the runtime does not have', async () => {
    const build = (g: GraphBuilder): void => {
      const types = [{ dtype: 'float32' as const, shape: [1] }];
      g.output('y', g.one('Foo', [g.input('x', 'float32', [1])], { domain: 'custom', types }));
    };
    expect(await failureOf(build, {})).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringMatching(/^cannot compile "step" in encoder\.layers\.0: .*custom:Foo.*not a registered/),
      fix: expect.stringContaining('does not have this operator'),
    });
  });

  it('tell of an element type without a kernel', async () => {
    const build = (g: GraphBuilder): void => g.output('y', g.ops.erf(g.input('x', 'float64', [1])));
    expect(await failureOf(build, {})).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringContaining('in encoder.layers.0: Could not find an implementation for Erf'),
      fix: expect.stringContaining('cast to float32'),
    });
  });

  it('tell of sizes that do not fit together', async () => {
    const build = (g: GraphBuilder): void =>
      g.output('y', g.ops.add(g.input('a', 'float32', ['n']), g.input('b', 'float32', ['m'])));
    expect(await failureOf(build, { a: zeros('float32', [2]), b: zeros('float32', [3]) })).toMatchObject({
      message: expect.stringMatching(/^cannot run "step" in encoder\.layers\.0: Add: axis == 1/),
      fix: expect.stringContaining('dimensions with one name must be equal'),
    });
  });

  it('tell of an opset that is too new', async () => {
    const build = (g: GraphBuilder): void => g.output('y', g.ops.relu(g.input('x', 'float32', [1])));
    expect(await failureOf(build, {}, 27)).toMatchObject({ fix: 'the runtime reads graphs up to opset 26' });
  });

  it('tell of weights outside the folder of the model', () => {
    const cause = new Error('External data path: ../weights.bin (resolved path: /weights.bin) escapes model directory');
    expect(runtimeError(cause, { action: 'compile', label: 'step', modules: new Map() })).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      fix: expect.stringContaining('reads weights from any folder'),
      cause,
    });
  });
});

describe('types at the edge of a graph', () => {
  // An int4 output that reaches the runtime ends the process.
  it.each(['bfloat16', 'int4', 'uint4', 'float8e4m3fn', 'string'] as const)('refuses %s', async (dtype: DType) => {
    const output = new GraphBuilder();
    const types = [{ dtype, shape: [2] }];
    output.output('y', output.one('Foo', [output.input('x', 'float32', [2])], { domain: 'custom', types }));
    const expected = { code: 'ANNEAL_E_DTYPE', fix: 'use float32 at the edge of the graph and cast inside' };
    await expect(backend.compile(output.build(), { label: 'step' })).rejects.toMatchObject({
      ...expected,
      message: `"step": the output "y" is ${dtype}, which onnxruntime-node cannot take or give`,
    });

    const input = new GraphBuilder();
    input.input('x', dtype, [2]);
    input.output('y', input.scalar(1, 'float32'));
    await expect(backend.compile(input.build(), { label: 'step' })).rejects.toMatchObject(expected);
  });

  it('refuses a guard that is no scalar float', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    g.output('y', x);
    g.output('n', g.ops.argmax(x));
    for (const guard of ['y', 'n']) {
      await expect(backend.compile(g.build(), { guard })).rejects.toMatchObject({
        code: 'ANNEAL_E_BACKEND',
        message: expect.stringContaining(`the guard "${guard}" must be a float32 or float64 scalar`),
      });
    }
  });
});
