import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { folder } from './job.ts';

const modules = fileURLToPath(new URL('../node_modules/@anneal', import.meta.url));

/** A plugin package with its code in several files, and a script that prints keys of a build with it. */
const FILES: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module" }',
  'node_modules/anneal-plugin-deep/package.json':
    '{ "type": "module", "version": "1.0.0", "exports": "./dist/index.js" }',
  'node_modules/anneal-plugin-deep/dist/index.js': "export { deep } from './deep.js';\n",
  'node_modules/anneal-plugin-deep/dist/deep.js': `
    import { definePlugin } from '@anneal/core';
    import { bits } from './bits.js';
    const options = { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }) } };
    export const deep = definePlugin({
      name: 'deep',
      options,
      setup({ hooks }) {
        hooks.compress.transformModel.tap((model) => (bits > 4 ? model : undefined));
      },
    });
  `,
  'node_modules/anneal-plugin-deep/dist/bits.js': 'export const bits = 8;\n',
  'node_modules/anneal-plugin-deep/README.md': 'hello',
  'plan.mjs': `
    import { createPipeline } from '@anneal/core';
    import { deep } from 'anneal-plugin-deep';
    const plugin = deep();
    const pipeline = await createPipeline({ plugins: [plugin], outDir: '/nowhere/dist' }, { root: import.meta.dirname });
    const keys = Object.fromEntries((await pipeline.plan()).map(({ phase, key }) => [phase, key]));
    console.log(JSON.stringify({ source: plugin.source, keys }));
  `,
};

interface Plan {
  readonly source: string;
  readonly keys: Readonly<Record<string, string>>;
}

function plan(root: string): Plan {
  return JSON.parse(execFileSync(process.execPath, [join(root, 'plan.mjs')], { encoding: 'utf8' })) as Plan;
}

describe('the code of a plugin package, on this Node without any loader', () => {
  it('is found from the file that defines the plugin, and is part of the keys from its first phase on', () => {
    const root = folder();
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    symlinkSync(modules, join(root, 'node_modules', '@anneal'));
    const before = plan(root);
    const packed = join(root, 'node_modules', 'anneal-plugin-deep');
    expect(fileURLToPath(before.source)).toBe(join(packed, 'dist', 'deep.js'));
    expect(plan(root)).toEqual(before);
    const changedBy = (name: string, text: string): readonly string[] => {
      writeFileSync(join(packed, name), text);
      const { keys } = plan(root);
      writeFileSync(join(packed, name), FILES[`node_modules/anneal-plugin-deep/${name}`]!);
      return Object.keys(keys).filter((phase) => keys[phase] !== before.keys[phase]);
    };
    expect(changedBy('README.md', 'bye')).toEqual([]);
    expect(changedBy('dist/bits.js', 'export const bits = 4;\n')).toEqual(['compress', 'evaluate', 'emit']);
    expect(plan(root)).toEqual(before);
  });
});
