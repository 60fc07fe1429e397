import { join } from 'node:path';

import { loadConfig, type ResolvedConfig } from '@anneal/core';
import { expect, it } from 'vitest';

const examples = join(import.meta.dirname, '../..');

/** What a config says, without what the resolver adds: plugins by name and options. */
function plain({ name, seed, gates, stages }: ResolvedConfig): unknown {
  return {
    name,
    seed,
    gates,
    stages: stages.map(({ plugins, ...stage }) => ({
      ...stage,
      plugins: plugins.map((plugin) => [plugin.name, plugin.options]),
    })),
  };
}

it('says the same as the TypeScript config', async () => {
  const json = await loadConfig({ cwd: join(examples, 'json-config') });
  const typescript = await loadConfig({ cwd: join(examples, 'mail-filter') });
  expect(json.file).toMatch(/\.json$/);
  expect(typescript.file).toMatch(/\.ts$/);
  expect(plain(json)).toEqual(plain(typescript));
});
