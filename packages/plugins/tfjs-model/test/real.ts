import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type { Files } from './tfjs.ts';

const require = createRequire(import.meta.url);

/** The files of a model that a package ships. */
export function shipped(name: string, folder: string): Files {
  const home = require.resolve.paths(name)!.map((path) => join(path, name, folder));
  const at = home.find((path) => {
    try {
      return readFileSync(join(path, 'model.json')).length > 0;
    } catch {
      return false;
    }
  })!;
  return new Map(
    ['model.json', 'group1-shard1of1.bin'].map((file) => [file, new Uint8Array(readFileSync(join(at, file)))]),
  );
}

/** Guesslang: which language a source file is written in. */
export const GUESSLANG = ['@vscode/vscode-languagedetection', 'model'] as const;
/** ESRGAN: an image twice as large. */
export const ESRGAN = ['@upscalerjs/default-model', 'models'] as const;
