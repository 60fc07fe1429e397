import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { DeviceName } from './devices.ts';

/** Providers whose library is not in the npm package and lies beside the runtime when it is installed. */
const LIBRARIES: Partial<Record<DeviceName, string>> = { cuda: 'libonnxruntime_providers_cuda.so' };

/**
 * Why the library of a provider cannot be loaded; `undefined` when that is not the reason. The runtime only says that
 * it failed, the loader says which other library is missing.
 */
export function missingLibrary(device: DeviceName): Error | undefined {
  const name = LIBRARIES[device];
  if (name === undefined) return undefined;
  const file = libraryPath(name);
  if (!existsSync(file)) return new Error(`${name} is not installed`);
  try {
    process.dlopen({ exports: {} } as NodeJS.Module, file);
  } catch (error) {
    // It is no module of Node, which is found out after it was loaded.
    if (error instanceof Error && error.message.includes('cannot open shared object file')) return error;
  }
  return undefined;
}

function libraryPath(name: string): string {
  const runtime = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return join(runtime, 'bin', 'napi-v6', process.platform, process.arch, name);
}
