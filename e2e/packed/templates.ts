import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Report } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { type Place, readJson } from './install.ts';

/** Templates of projects; each is made in a folder of its name. */
export const PROJECTS = ['text-classifier', 'llm-lora', 'compress-onnx'] as const;
/** What the template of plugins is made as. */
export const PLUGIN = 'anneal-plugin-quick-stop';

/** Tests what `npm create anneal` made. */
export function templates(place: () => Place, node: string): void {
  describe.each(PROJECTS)('the template %s', (cwd) => {
    it('passes its own tests', async () => {
      expect(await place().run('npm', ['test'], { cwd, node })).toMatch(/^# pass [1-9]|ℹ pass [1-9]/m);
    });

    it('is built, from nothing', async () => {
      const { root, run } = place();
      for (const made of ['dist', '.anneal']) rmSync(join(root, cwd, made), { recursive: true, force: true });
      await run('npm', ['run', 'build'], { cwd, node });
      const { name, gates } = readJson(root, cwd, 'dist/report.json') as Report;
      expect(name).toBe(cwd);
      expect(gates.every(({ passed }) => passed)).toBe(true);
      expect(existsSync(join(root, cwd, 'dist/onnx/model.onnx'))).toBe(true);
    });
  });

  it('the template of a plugin passes its own tests and is built', async () => {
    const { run } = place();
    expect(await run('npm', ['test'], { cwd: PLUGIN, node })).toMatch(/Tests .*\d+ passed/);
    await run('npm', ['run', 'build'], { cwd: PLUGIN, node });
    const exports = `import('${PLUGIN}').then((plugin) => console.log(Object.keys(plugin).join()))`;
    expect(await run('node', ['-e', exports], { node })).toBe('default,quickStop\n');
  });
}
