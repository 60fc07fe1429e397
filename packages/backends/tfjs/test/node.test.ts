import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphBuilder, tensor } from '@anneal/graph';
import { afterAll, describe, expect, it } from 'vitest';
import { restoreUtil } from '../src/node/devices.ts';
import { tfjsBackend, tfjsDoctor } from '../src/node/index.ts';

const root = mkdtempSync(join(tmpdir(), 'anneal-tfjs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A package of the project, which tells what it saw when it was imported. */
function install(name: string, source: string): void {
  const folder = join(root, 'node_modules', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '4.22.0', main: './index.cjs' }));
  writeFileSync(join(folder, 'index.cjs'), source);
}

describe('in a worker', () => {
  it('leaves the calling thread free', async () => {
    const backend = await tfjsBackend({ device: 'cpu', root });
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [256, 256]);
    g.output('y', g.ops.sum(g.ops.matmul(x, x)));
    const program = await backend.compile(g.build());
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await program.run({ x: tensor('float32', [256, 256], new Float32Array(65536)) });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(1);
    expect((await backend.memory()).peakRssBytes).toBeGreaterThan(0);
    await backend.close();
    await expect(program.run({ x: tensor('float32', [256, 256], new Float32Array(65536)) })).rejects.toMatchObject({
      message: 'the tfjs backend is closed',
    });
  });

  it('names the operator and the module of a step that fails there', async () => {
    const backend = await tfjsBackend({ device: 'wasm', root });
    const g = new GraphBuilder();
    const w = g.parameter('w', tensor('float32', [2], [1, 2]));
    g.scope('table', () => g.output('y', g.ops.take(w, g.input('ids', 'int64', [1]))));
    const program = await backend.compile(g.build({ name: 'lookup' }));
    await expect(program.run({ ids: tensor('int64', [1], [7]) })).rejects.toMatchObject({
      code: 'ANNEAL_E_SHAPE',
      message: 'cannot run "lookup" in table: Gather: index 7 is outside an axis of 2 elements',
      at: { module: 'table', op: 'Gather' },
    });
    expect(backend.info).toMatchObject({ name: 'tfjs', device: 'wasm', version: 'tfjs 4.22.0 wasm' });
    await backend.close();
  });
});

describe('devices', () => {
  it('says of each why it does not start', async () => {
    const { device, devices, computes } = await tfjsDoctor({ root });
    expect(devices.map((probe) => probe.device)).toEqual(
      expect.arrayContaining(['node-gpu', 'node', 'webgpu', 'wasm', 'cpu']),
    );
    const native = devices.find((probe) => probe.device === 'node-gpu');
    expect(native?.problem).toBe('@tensorflow/tfjs-node-gpu is not installed');
    expect(native?.fix).toBe('npm install @tensorflow/tfjs-node-gpu');
    expect(computes).toBe(true);
    expect(devices.find((probe) => probe.device === device)?.gflops).toBeGreaterThan(0);
    // Five threads start, one after the other.
  }, 60_000);

  it('finds native packages in the project, and tells what they say when they fail', async () => {
    install('@tensorflow/tfjs-node', 'throw new Error("libtensorflow.so.2: cannot open shared object file")');
    await expect(tfjsBackend({ device: 'node', root })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: 'TensorFlow.js cannot start: node: libtensorflow.so.2: cannot open shared object file',
    });
  });

  it('refuses names that it does not know', async () => {
    await expect(tfjsBackend({ device: 'cuda' as 'cpu', root })).rejects.toMatchObject({
      message: expect.stringMatching(/^device must be one of auto, .*, received cuda$/) as string,
    });
  });
});

it('gives Node 23 back what tfjs-node calls, and nothing that is there', () => {
  const own = (): boolean => true;
  const util: Record<string, unknown> = { isArray: own };
  restoreUtil(util);
  expect(util['isArray']).toBe(own);
  const restored = util['isNullOrUndefined'] as (value: unknown) => boolean;
  expect([null, undefined, 0, ''].map(restored)).toEqual([true, true, false, false]);
});
