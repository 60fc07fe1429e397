import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it, onTestFinished, vi } from 'vitest';

import { watchFiles } from '../src/dev/watch.ts';
import { folder } from './fakes.ts';

/** How many files the system watches is limited. */
const system = vi.hoisted(() => ({ isFull: false }));
vi.mock(import('node:fs'), async (load) => {
  const real = await load();
  const watch = (...args: Parameters<typeof real.watch>): ReturnType<typeof real.watch> => {
    if (!system.isFull) return real.watch(...args);
    throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' });
  };
  return { ...real, watch: watch as typeof real.watch };
});

/** What was told since the last time that somebody asked. */
function watching(paths: readonly string[], ignored: readonly string[] = []): () => Promise<readonly string[]> {
  const told = new Set<string>();
  const watch = watchFiles(paths, { ignored, onChange: (path) => told.add(path) });
  onTestFinished(() => watch.close());
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    const found = [...told];
    told.clear();
    return found;
  };
}

it('a file is seen when it changes, goes, comes, and is replaced; its neighbours are not', async () => {
  const root = folder({ 'a.txt': '1', 'b.txt': '1' });
  const [a, b] = [join(root, 'a.txt'), join(root, 'b.txt')];
  const told = watching([a]);
  writeFileSync(a, '2');
  expect(await told()).toEqual([a]);
  writeFileSync(b, '2');
  expect(await told()).toEqual([]);
  // As editors save.
  writeFileSync(join(root, 'a.txt~'), '3');
  renameSync(join(root, 'a.txt~'), a);
  expect(await told()).toEqual([a]);
  rmSync(a);
  expect(await told()).toEqual([a]);
  writeFileSync(a, '4');
  expect(await told()).toEqual([a]);
});

it('a folder is seen with all that is in it, but for what never matters and what is left out', async () => {
  const root = folder({ 'src/deep/a.ts': '', 'src/node_modules/x.js': '', 'src/dist/out.js': '' });
  const src = join(root, 'src');
  const told = watching([src], [join(src, 'dist')]);
  writeFileSync(join(src, 'deep', 'a.ts'), 'x');
  expect(await told()).toEqual([join(src, 'deep', 'a.ts')]);
  writeFileSync(join(src, 'deep', 'new.ts'), 'x');
  expect(await told()).toEqual([join(src, 'deep', 'new.ts')]);
  writeFileSync(join(src, 'node_modules', 'x.js'), 'x');
  writeFileSync(join(src, 'dist', 'out.js'), 'x');
  mkdirSync(join(src, 'node_modules', 'y'));
  rmSync(join(src, 'dist'), { recursive: true });
  expect(await told()).toEqual([]);
  rmSync(src, { recursive: true });
  expect(await told()).toContain(src);
});

it('what is not there yet is seen when it comes, however deep', async () => {
  const root = folder();
  const told = watching([join(root, 'data', 'raw', 'a.csv')]);
  mkdirSync(join(root, 'other'));
  expect(await told()).toEqual([]);
  mkdirSync(join(root, 'data'));
  expect(await told()).toEqual([join(root, 'data')]);
});

it('says when the system cannot watch so much', () => {
  const root = folder({ 'a.txt': '' });
  system.isFull = true;
  onTestFinished(() => {
    system.isFull = false;
  });
  expect(() => watchFiles([join(root, 'a.txt')], { onChange: () => undefined })).toThrow(
    expect.objectContaining({ code: 'ANNEAL_E_WATCH', fix: expect.stringContaining('fs.inotify.max_user_watches') }),
  );
});
