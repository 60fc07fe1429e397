import process from 'node:process';

import { configInputs, createPipeline, formatError, loadConfig, type RunEvent } from '@anneal/core';

import { resultText, summaryOf } from '../ui/result.ts';
import { errorJson } from '../ui/error.ts';
import { createStyle } from '../ui/style.ts';
import { shortPath } from '../files.ts';
import type { DevJob, DevMessage } from './protocol.ts';

// One build of `anneal dev`, in a process of its own: modules that changed are loaded anew.

const job = JSON.parse(process.argv[2] ?? '{}') as DevJob;
const controller = new AbortController();
// Who watches decides: a Ctrl-C in the terminal reaches both.
process.on('SIGINT', () => undefined);
process.on('message', () => controller.abort());
process.on('disconnect', () => controller.abort());

const tell = (message: DevMessage): void => {
  if (process.connected) process.send?.(message);
};

async function main(): Promise<void> {
  const { load, cwd, stages, color, width, debug, strict } = job;
  const started = performance.now();
  try {
    tell({ type: 'inputs', paths: await configInputs(load), ignored: [] });
    const config = await loadConfig(load);
    const onEvent = (event: RunEvent): void => tell({ type: 'event', event });
    const pipeline = await createPipeline(config, { onEvent, strict });
    try {
      tell({ type: 'inputs', paths: await pipeline.inputs(), ignored: [config.outDir, config.cacheDir] });
      const result = await pipeline.run({
        signal: controller.signal,
        onEvent,
        stages: stages.length === 0 ? undefined : stages,
      });
      const seconds = (performance.now() - started) / 1000;
      const shown = { ...result, outDir: result.outDir && shortPath(cwd, result.outDir) };
      const text = resultText(shown, { style: createStyle(color), width: width ?? 80, seconds });
      tell({ type: 'result', text, json: summaryOf(result) });
    } finally {
      await pipeline.close();
    }
  } catch (error) {
    tell({ type: 'error', text: formatError(error, { color, width, cwd, stack: debug }), json: errorJson(error) });
  }
}

await main();
if (process.connected) process.disconnect();
