import { describe, expect, it } from 'vitest';

import type { Place } from './install.ts';

/** Folders of `examples/third-party` that are plugins. */
const PLUGINS = ['anneal-plugin-focal-loss'];
/** Everything of `examples/third-party` that is installed. */
export const OTHERS: readonly string[] = [...PLUGINS];

/** Tests what strangers would write. */
export function thirdParty(place: () => Place, node: string): void {
  describe.each(PLUGINS)('%s', (cwd) => {
    it('passes its own tests and is packed', async () => {
      const { run } = place();
      expect(await run('npm', ['test'], { cwd, node })).toMatch(/Tests .*\d+ passed/);
      await run('npm', ['run', 'build'], { cwd, node });
    });
  });
}
