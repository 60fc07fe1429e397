import {
  type Backend,
  GraphBuilder,
  type GraphError,
  referenceBackend,
  tensor,
  type TensorData,
  zeros,
} from '@anneal/graph';
import { afterAll, describe, expect, it } from 'vitest';
import { TfjsBackend } from '../src/backend.ts';
import { Executor } from '../src/device/executor.ts';
import { PLAIN } from '../src/device/plain.ts';
import { DirectChannel } from '../src/direct-channel.ts';
import { tfjsBackend } from '../src/index.ts';

const floats = (...values: number[]): TensorData => tensor('float32', [values.length], values);

const opened: Backend[] = [];
async function open(device: 'cpu' | 'wasm' = 'wasm'): Promise<TfjsBackend> {
  const backend = (await tfjsBackend({ device })) as TfjsBackend;
  opened.push(backend);
  return backend;
}
afterAll(async () => {
  for (const backend of opened) await backend.close();
});

async function errorOf(action: Promise<unknown>): Promise<GraphError> {
  return action.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as GraphError,
  );
}

/** `w.next = w - lr · (w · x)`, its loss, and a choice by index, in a module. */
function step(): GraphBuilder {
  const g = new GraphBuilder();
  const [w, x] = [g.input('w', 'float32', [8, 8]), g.input('x', 'float32', [4, 8])];
  const { ops } = g;
  g.scope('layer', () => {
    const y = ops.gelu(ops.matmul(x, w));
    const rows = ops.take(w, g.input('ids', 'int64', [3]));
    const loss = ops.add(ops.mean(ops.mul(y, y)), ops.mean(ops.softmax(rows)));
    g.output('loss', loss);
    g.output('w.next', ops.sub(w, ops.mul(ops.scatterAdd(w, index(g), rows, { axis: 0 }), 0.01)));
  });
  return g;
}

function index(g: GraphBuilder): ReturnType<GraphBuilder['constant']> {
  return g.constant(
    tensor(
      'int64',
      [3, 8],
      Array.from({ length: 24 }, (_, i) => Math.floor(i / 8)),
    ),
  );
}

describe('memory', () => {
  it.each(['cpu', 'wasm'] as const)('keeps as many tensors on %s after 1,000 steps as after one', async (device) => {
    const backend = await open(device);
    const state = await backend.createState({
      w: tensor(
        'float32',
        [8, 8],
        Array.from({ length: 64 }, (_, i) => i / 64),
      ),
    });
    const program = await backend.compile(step().build(), {
      state,
      updates: { 'w.next': 'w' },
      purpose: 'training',
      guard: 'loss',
    });
    const feeds = { x: zeros('float32', [4, 8]), ids: tensor('int64', [3], [0, 5, 7]) };
    await program.run(feeds);
    const before = await backend.tensorCount();
    for (let i = 0; i < 1000; i++) await program.run(feeds);
    expect(await backend.tensorCount()).toBe(before);
    await program.dispose();
    await state.dispose();
    expect(await backend.tensorCount()).toBeLessThan(before);
  });

  it('frees what a step that fails has made', async () => {
    const backend = await open();
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4]);
    g.scope('table', () => g.output('y', g.ops.take(g.ops.exp(x), g.input('ids', 'int64', [2]))));
    const program = await backend.compile(g.build({ name: 'lookup' }));
    await program.run({ x: zeros('float32', [4]), ids: tensor('int64', [2], [0, 1]) });
    const before = await backend.tensorCount();
    const error = await errorOf(program.run({ x: zeros('float32', [4]), ids: tensor('int64', [2], [0, 9]) }));
    expect(error.message).toBe('cannot run "lookup" in table: Gather: index 9 is outside an axis of 4 elements');
    expect(error).toMatchObject({ code: 'ANNEAL_E_SHAPE', at: { module: 'table', op: 'Gather' } });
    expect(await backend.tensorCount()).toBe(before);
  });

  it('has weights once, however many programs use them', async () => {
    const backend = await open('cpu');
    const data = zeros('float32', [64]);
    const graph = (name: string): ReturnType<GraphBuilder['build']> => {
      const g = new GraphBuilder();
      g.output('y', g.ops.mul(g.input('x', 'float32', ['n', 64]), g.parameter('w', data)));
      return g.build({ name });
    };
    const programs = await Promise.all([backend.compile(graph('a')), backend.compile(graph('b'))]);
    const none = await backend.tensorCount();
    for (const program of programs) {
      for (const n of [1, 2, 3]) await program.run({ x: zeros('float32', [n, 64]) });
    }
    expect(await backend.tensorCount()).toBe(none + 1);
    for (const program of programs) await program.dispose();
    expect(await backend.tensorCount()).toBe(none);
  });

  it('computes from weights alone once', async () => {
    const backend = await open('cpu');
    const before = await backend.tensorCount();
    const g = new GraphBuilder();
    const w = g.ops.exp(g.parameter('w', floats(0, 1)));
    g.output('y', g.ops.add(g.input('x', 'float32', [2]), w));
    const program = await backend.compile(g.build());
    const { y } = await program.run({ x: floats(1, 1) });
    expect(Array.from(y!.data, Number)).toEqual([2, expect.closeTo(1 + Math.E, 5)]);
    // The weight, and its exponential.
    expect(await backend.tensorCount()).toBe(before + 2);
  });
});

describe('what it refuses', () => {
  it('an operator that it does not have, with its module and what to do', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const y = g.scope('encoder.layer.0', () =>
      g.one('Mystery', [x], { domain: 'my', types: [{ dtype: 'float32', shape: [2] }] }),
    );
    g.output('y', y);
    const error = await errorOf((await open()).compile(g.build({ name: 'strange' })));
    expect(error.message).toBe('cannot compile "strange" in encoder.layer.0: there is no my.Mystery on TensorFlow.js');
    expect(error).toMatchObject({ code: 'ANNEAL_E_BACKEND', at: { module: 'encoder.layer.0', op: 'Mystery' } });
    expect(error.fix).toContain('backend `onnx`');
  });

  it.each(['float16', 'float64'] as const)('%s, with the operator and its module', async (dtype) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    g.scope('head', () => g.output('y', g.ops.cast(g.ops.exp(g.ops.cast(x, dtype)), 'float32')));
    const error = await errorOf((await open()).compile(g.build({ name: 'half' })));
    expect(error.message).toBe(`cannot compile "half" in head: Cast of ${dtype}, which TensorFlow.js does not have`);
    expect(error).toMatchObject({ code: 'ANNEAL_E_DTYPE', at: { module: 'head' } });
  });

  it('inputs and state of types that it does not have', async () => {
    const backend = await open();
    const g = new GraphBuilder();
    g.output('y', g.ops.identity(g.input('x', 'float64', [2])));
    expect((await errorOf(backend.compile(g.build({ name: 'wide' })))).message).toBe(
      '"wide": "x" is float64, which TensorFlow.js does not have',
    );
    expect((await errorOf(backend.createState({ w: zeros('float16', [2]) }))).message).toBe(
      'the state "w" is float16, which TensorFlow.js does not have',
    );
  });

  it('integers beyond 32 bits', async () => {
    const backend = await open();
    const g = new GraphBuilder();
    g.output('y', g.ops.neg(g.input('x', 'int64', [2])));
    const program = await backend.compile(g.build({ name: 'ids' }));
    const error = await errorOf(program.run({ x: tensor('int64', [2], [1n, 2n ** 31n]) }));
    expect(error.message).toBe('"ids": the input "x": element 1 is 2147483648, TensorFlow.js has integers of 32 bits');
    expect(error.code).toBe('ANNEAL_E_DTYPE');
  });

  it('the state of another backend', async () => {
    const [cpu, wasm] = [await open('cpu'), await open()];
    const g = new GraphBuilder();
    g.output('y', g.ops.neg(g.input('w', 'float32', [1])));
    const graph = g.build({ name: 'mixed' });
    const own = await errorOf(wasm.compile(graph, { state: await cpu.createState({ w: floats(1) }) }));
    expect(own.message).toBe('"mixed": the state belongs to another tfjs backend, not to tfjs on wasm');
    const foreign = await referenceBackend().createState({ w: floats(1) });
    expect((await errorOf(wasm.compile(graph, { state: foreign }))).message).toBe(
      '"mixed": the state belongs to another backend, not to tfjs on wasm',
    );
  });

  it('a device that it does not know, and work after the end', async () => {
    const wrong = await errorOf(tfjsBackend({ device: 'tpu' as 'cpu' }));
    expect(wrong.message).toBe('device must be one of auto, webgpu, wasm, cpu, received tpu');
    const backend = await tfjsBackend({ device: 'cpu' });
    await backend.close();
    expect((await errorOf(backend.createState({ w: floats(1) }))).message).toBe('the tfjs backend is closed');
  });

  it('a size that differs between inputs of one run', async () => {
    const g = new GraphBuilder();
    const [a, b] = [g.input('a', 'float32', ['n']), g.input('b', 'float32', ['n'])];
    g.output('y', g.ops.add(a, b));
    const program = await (await open()).compile(g.build({ name: 'sizes' }));
    const error = await errorOf(program.run({ a: floats(1, 2), b: floats(1) }));
    expect(error.message).toBe('"sizes": `n` is 2 and 1 in the same run');
  });
});

describe('a device that is lost', () => {
  it('ends the run under way and all that follow', async () => {
    let lose: (reason: string) => void = () => undefined;
    const lost = new Promise<string>((resolve) => (lose = resolve));
    const device = { ...(await PLAIN.cpu()), lost };
    const backend = new TfjsBackend(device, new DirectChannel(new Executor(device)));
    const g = new GraphBuilder();
    g.output('y', g.ops.neg(g.input('x', 'float32', [1])));
    const program = await backend.compile(g.build({ name: 'gone' }));
    await program.run({ x: floats(1) });
    lose('the driver was reset');
    await lost;
    const error = await errorOf(program.run({ x: floats(1) }));
    expect(error.message).toBe('the device cpu is lost: the driver was reset');
    expect(error).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      fix: expect.stringContaining('last checkpoint') as string,
    });
  });
});

it('reads half-precision weights that a graph casts', async () => {
  const backend = await open('cpu');
  const g = new GraphBuilder();
  const w = g.parameter('w', tensor('float16', [2], [1.5, -2]));
  g.output('y', g.ops.mul(g.input('x', 'float32', [2]), g.ops.cast(w, 'float32')));
  const { y } = await (await backend.compile(g.build())).run({ x: floats(2, 2) });
  expect(Array.from(y!.data, Number)).toEqual([3, -4]);
});

it('leaves the current backend of a page as it is', async () => {
  const { core } = await PLAIN.cpu();
  await core.setBackend('cpu');
  await tfjsBackend({ device: 'wasm' });
  expect(core.engine().backendName).toBe('cpu');
});
