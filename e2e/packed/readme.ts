import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { type Place, write } from './install.ts';

/** Compiles the TypeScript blocks of a README, in its own project; `include` of its tsconfig.json must take `folder`. */
export async function compileReadme({ root, run }: Place, cwd: string, folder: string): Promise<void> {
  const text = readFileSync(join(root, cwd, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = '']) => block);
  if (blocks.length === 0) throw new Error(`the README of ${cwd} shows no code`);
  const files = blocks.map((_, i) => join(root, cwd, folder, `readme-${i}.ts`));
  for (const [i, block] of blocks.entries()) write(files[i]!, block);
  try {
    await run('npx', ['tsc', '--noEmit'], { cwd });
  } finally {
    for (const file of files) rmSync(file);
  }
}
