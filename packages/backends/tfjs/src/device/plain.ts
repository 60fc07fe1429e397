import type * as tfjs from '@tensorflow/tfjs-core';
import type { OpenDevice, TfjsCore } from './core.ts';

/** Names of devices that need nothing of Node, fastest first. */
export type PlainDevice = 'webgpu' | 'wasm' | 'cpu';

/**
 * Makes a backend of TensorFlow.js ready without making it the current one for longer than that takes: a page may
 * compute with another.
 */
export async function ready(core: TfjsCore, name: string): Promise<OpenDevice['backend']> {
  const engine = core.engine();
  const before = engine.backendName;
  if (!(await core.setBackend(name))) throw new Error(`TensorFlow.js cannot start its backend ${name}`);
  const { backend } = engine;
  if (before !== undefined && before !== '' && before !== name) await core.setBackend(before);
  return backend;
}

const versionOf = (core: TfjsCore, device: string): string => `tfjs ${core.version_core} ${device}`;

async function openCpu(): Promise<OpenDevice> {
  const core: typeof tfjs = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-cpu');
  const backend = await ready(core, 'cpu');
  return { device: 'cpu', kernels: 'cpu', core, backend, version: versionOf(core, 'cpu'), about: 'plain JavaScript' };
}

async function openWasm(): Promise<OpenDevice> {
  const core: typeof tfjs = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-wasm');
  const backend = await ready(core, 'wasm');
  const simd = (await core.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true;
  const about = simd ? 'WebAssembly with SIMD' : 'WebAssembly';
  return { device: 'wasm', kernels: 'wasm', core, backend, version: versionOf(core, 'wasm'), about };
}

/** The parts of `GPUDevice` that are used. */
interface LosableDevice {
  readonly addEventListener?:
    | ((type: 'uncapturederror', listener: (event: { readonly error: { readonly message: string } }) => void) => void)
    | undefined;
  readonly lost?: Promise<{ readonly reason?: string; readonly message?: string }> | undefined;
}

/** The parts of tfjs's WebGPU backend that are used. */
interface WebgpuBackend {
  readonly device?: LosableDevice | undefined;
  readonly adapterInfo?:
    | { readonly vendor?: string; readonly architecture?: string; readonly description?: string }
    | undefined;
}

/** Adapters that are programs. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render/i;

async function openWebgpu(): Promise<OpenDevice> {
  const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: unknown } };
  if (navigator?.gpu === undefined) throw new Error('there is no navigator.gpu');
  const core: typeof tfjs = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-webgpu');
  const backend = await ready(core, 'webgpu');
  const { device, adapterInfo } = backend as unknown as WebgpuBackend;
  const lost = device?.lost?.then(({ message, reason }) => (message === '' ? reason : message) ?? 'no reason is given');
  const words = [adapterInfo?.vendor, adapterInfo?.architecture, adapterInfo?.description];
  const about = words.filter((word) => word !== undefined && word !== '').join(' ') || 'WebGPU';
  const software = SOFTWARE.test(about);
  // A kernel that is not valid writes nothing, and nobody hears of it.
  let said: string | undefined;
  device?.addEventListener?.('uncapturederror', ({ error }) => {
    said ??= error.message;
  });
  const fault = (): string | undefined => {
    const message = said;
    said = undefined;
    return message;
  };
  return {
    device: 'webgpu',
    kernels: 'webgpu',
    core,
    backend,
    version: versionOf(core, 'webgpu'),
    about,
    software,
    fault,
    lost,
  };
}

export const PLAIN: Readonly<Record<PlainDevice, () => Promise<OpenDevice>>> = {
  webgpu: openWebgpu,
  wasm: openWasm,
  cpu: openCpu,
};
