import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import { GraphError } from '@anneal/graph';
import type { OpenDevice, TfjsCore } from '../device/core.ts';
import { PLAIN, ready } from '../device/plain.ts';

/** Devices in Node: those of a page, and TensorFlow's own library. */
export type NodeDevice = 'node-gpu' | 'node' | 'webgpu' | 'wasm' | 'cpu';

/** The package of an optional peer, as seen from a project or else from here. */
function locate(name: string, root: string): string {
  for (const from of [join(root, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve(name);
    } catch {
      // Not there: the next place is tried.
    }
  }
  throw new GraphError('ANNEAL_E_BACKEND', `${name} is not installed`, { fix: `npm install ${name}` });
}

/** Functions of `util` that Node 23 removed and that tfjs-node 4.22 calls. */
const REMOVED = {
  isNullOrUndefined: (value: unknown): boolean => value === null || value === undefined,
  isArray: (value: unknown): boolean => Array.isArray(value),
} as const;

/** Puts them back, unless they are there. */
export function restoreUtil(module: Record<string, unknown> = util as unknown as Record<string, unknown>): void {
  for (const [name, value] of Object.entries(REMOVED)) if (module[name] === undefined) module[name] = value;
}

/** TensorFlow's C library. The package loads it when it is imported, and brings its own copy of the core. */
function native(name: string, device: NodeDevice): (root: string) => Promise<OpenDevice> {
  return async (root) => {
    const file = locate(name, root);
    restoreUtil();
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: TfjsCore } & TfjsCore;
    const core = module.default ?? module;
    const backend = await ready(core, 'tensorflow');
    const { version } = createRequire(file)(`${name}/package.json`) as { readonly version: string };
    const words = `${name} ${version}`;
    return { device, kernels: 'tensorflow', core, backend, version: words, about: words, native: true };
  };
}

/** `npm webgpu` is Dawn: `navigator.gpu` for Node. */
async function webgpu(root: string): Promise<OpenDevice> {
  const { create, globals } = (await import(pathToFileURL(locate('webgpu', root)).href)) as {
    readonly create: (flags: readonly string[]) => unknown;
    readonly globals: object;
  };
  Object.assign(globalThis, globals);
  // Node 21 and later have a navigator whose properties cannot be set.
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });
  return PLAIN.webgpu();
}

export const NODE_DEVICES: Readonly<Record<NodeDevice, (root: string) => Promise<OpenDevice>>> = {
  'node-gpu': native('@tensorflow/tfjs-node-gpu', 'node-gpu'),
  node: native('@tensorflow/tfjs-node', 'node'),
  webgpu,
  wasm: PLAIN.wasm,
  cpu: PLAIN.cpu,
};
