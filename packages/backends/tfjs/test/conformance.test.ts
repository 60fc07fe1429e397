import { readFileSync } from 'node:fs';
import type { Backend } from '@anneal/graph';
import { parseXfails, testBackend } from '@anneal/testkit';
import { describe, it } from 'vitest';
import { TfjsBackend } from '../src/backend.ts';
import { Executor } from '../src/device/executor.ts';
import { DirectChannel } from '../src/direct-channel.ts';
import { tfjsBackend } from '../src/index.ts';
import { strictDevice } from './strict-device.ts';

const xfails = (name: string): Record<string, string> =>
  parseXfails(readFileSync(new URL(`./${name}.txt`, import.meta.url), 'utf8'));

describe('on cpu', () => {
  testBackend(() => tfjsBackend({ device: 'cpu' }), { it, xfails: { ...xfails('xfails'), ...xfails('xfails-cpu') } });
});

describe('on wasm', () => {
  testBackend(() => tfjsBackend({ device: 'wasm' }), { it, xfails: xfails('xfails') });
});

// The kernels alone, without the loops over memory of this process: what a device of shaders or a native library gets.
describe('on kernels alone', () => {
  const backend = async (): Promise<Backend> => {
    const device = await strictDevice();
    return new TfjsBackend(device, new DirectChannel(new Executor(device)));
  };
  testBackend(backend, { it, xfails: { ...xfails('xfails'), ...xfails('xfails-cpu') } });
});
