import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Backend, GraphBuilder, tensor, zeros } from '@anneal/graph';
import { WorkerChannel } from '@anneal/graph/node';
import type { Calls } from '../src/protocol.ts';
import { onnxBackend } from '../src/index.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function start(): Promise<Backend> {
  const backend = await onnxBackend({ threads: 1 });
  open.push(backend);
  return backend;
}

/** A product that takes a good while, with a small result. */
function long(size: number, times: number): ReturnType<GraphBuilder['build']> {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [size, size]);
  let y = x;
  for (let i = 0; i < times; i++) y = g.ops.matmul(y, x);
  g.output('y', g.ops.max(y));
  return g.build({ name: 'long' });
}

describe('worker', () => {
  it('leaves the event loop alive while a graph runs', async () => {
    const backend = await start();
    const program = await backend.compile(long(512, 60));
    const ticks: number[] = [];
    const timer = setInterval(() => ticks.push(performance.now()), 2);
    const began = performance.now();
    await program.run({ x: zeros('float32', [512, 512]) });
    clearInterval(timer);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(40);
    // On a blocked thread there would be no tick at all; a busy machine may lose many of them.
    expect(ticks.length).toBeGreaterThan(took / 2 / 10);
  });

  it('serves several backends of one process at the same time', async () => {
    const backends = await Promise.all([start(), start()]);
    const results = await Promise.all(
      backends.map(async (backend, i) => {
        const g = new GraphBuilder();
        const w = g.input('w', 'float32', [2]);
        g.output('w.next', g.ops.add(w, i + 1));
        const state = await backend.createState({ w: zeros('float32', [2]) });
        const program = await backend.compile(g.build(), { state, updates: { 'w.next': 'w' } });
        await Promise.all(Array.from({ length: 50 }, () => program.run({})));
        return state.read();
      }),
    );
    expect(results).toEqual([{ w: tensor('float32', [2], [50, 50]) }, { w: tensor('float32', [2], [100, 100]) }]);
  });

  it('finishes what is under way before it closes, and refuses what comes after', async () => {
    const backend = await start();
    const program = await backend.compile(long(256, 20));
    const state = await backend.createState({ w: zeros('float32', [1]) });
    const run = program.run({ x: zeros('float32', [256, 256]) });
    const closed = backend.close();
    const refused = { code: 'ANNEAL_E_BACKEND', message: 'the onnx backend is closed' };
    await expect(program.run({ x: zeros('float32', [256, 256]) })).rejects.toMatchObject(refused);
    await expect(backend.compile(long(2, 1))).rejects.toMatchObject(refused);
    await expect(backend.createState({})).rejects.toMatchObject(refused);
    expect(await run).toEqual({ y: tensor('float32', [], [0]) });
    await closed;
    await backend.close();
    await program.dispose();
    await state.dispose();
  });
});

it('starts in a program that is given on the command line', () => {
  const source = new URL('../../../../scripts/source.mjs', import.meta.url).href;
  const index = new URL('../src/index.ts', import.meta.url).href;
  const program = `import { onnxBackend } from '${index}';
    const backend = await onnxBackend({ threads: 1 });
    process.stdout.write(backend.info.name);
    await backend.close();`;
  const args = ['--conditions=@anneal/source', '--import', source, '--input-type=module', '-e', program];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({ stdout: 'onnx', stderr: '' });
});

describe('a worker that dies', () => {
  const channel = (resourceLimits?: { maxOldGenerationSizeMb: number }): WorkerChannel<Calls> => {
    const opened = new WorkerChannel<Calls>(
      new URL('./fixtures/worker.mjs', import.meta.url),
      'onnx',
      resourceLimits && { resourceLimits },
    );
    open.push(opened);
    return opened;
  };
  const call = (target: WorkerChannel<Calls>, how: string): Promise<unknown> =>
    target.call('release', { program: how as never });

  it.each([
    ['exits', 'exit', 'the onnx backend stopped: the worker exited with code 3'],
    ['throws', 'throw', 'the onnx backend stopped: segment lost'],
  ])('rejects every call when it %s', async (_case, how, message) => {
    const target = channel();
    await target.call('facts', undefined);
    const calls = await Promise.allSettled([call(target, 'silence'), call(target, how), call(target, 'silence')]);
    const rejected = { code: 'ANNEAL_E_BACKEND', message, fix: expect.stringContaining('last checkpoint') };
    for (const settled of calls) expect(settled).toMatchObject({ status: 'rejected', reason: rejected });
    await expect(target.call('facts', undefined)).rejects.toMatchObject(rejected);
    expect(target.isOpen).toBe(false);
  });

  it('says so when it ran out of memory', async () => {
    const target = channel({ maxOldGenerationSizeMb: 32 });
    await expect(call(target, 'memory')).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      fix: expect.stringContaining('ran out of memory'),
      cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
    });
  });

  it('does not keep a close() waiting', async () => {
    const target = channel();
    await target.call('facts', undefined);
    const lost = call(target, 'exit');
    lost.catch(() => undefined);
    await Promise.race([target.close(), delay(5000).then(() => Promise.reject(new Error('close() hangs')))]);
    await expect(lost).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
  });
});

describe('options', () => {
  it.each([
    [{ threads: 0 }, 'threads must be a whole number of at least 1, received 0'],
    [{ threads: 1.5 }, 'threads must be a whole number of at least 1, received 1.5'],
    [{ device: 'gpu' as never }, 'device must be one of auto, cpu, webgpu, cuda, coreml, dml, received gpu'],
  ])('refuses %o', async (options, message) => {
    await expect(onnxBackend(options)).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND', message });
  });
});
