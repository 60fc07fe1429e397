import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

/** What a page gets of the package, by the conditions of esbuild for browsers and by those that are named. */
const bundle = (names: readonly string[], conditions: readonly string[] = []): Promise<unknown> =>
  build({
    stdin: {
      contents: names.map((name, i) => `export * as entry${i} from '${name}';`).join('\n'),
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['@anneal/source', ...conditions],
    logLevel: 'silent',
    target: 'es2023',
  });

// For a browser esbuild resolves no module of Node: it fails on each, unless it is left out by name.
it('imports nothing of Node in a page', async () => {
  await bundle(['@anneal/backend-tfjs', '@anneal/backend-tfjs/web']);
  await expect(bundle(['@anneal/backend-tfjs'], ['node'])).rejects.toThrow('Could not resolve "node:');
});
