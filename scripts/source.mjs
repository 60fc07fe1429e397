// Preload (`--import`) that lets a thread load TypeScript sources on every Node we support.
// Worker threads inherit it through process.execArgv. With `?workers` it leaves the main thread alone: vitest
// transforms the modules of its own forks, but not those of the workers that tested code starts.
import { isMainThread } from 'node:worker_threads';

if (!isMainThread || !import.meta.url.endsWith('?workers')) {
  const { register } = await import('tsx/esm/api');
  register();
}
