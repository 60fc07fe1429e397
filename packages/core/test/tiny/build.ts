import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

import {
  type AnnealError,
  createPipeline,
  definePlugin,
  isAnnealError,
  type Model,
  type Pipeline,
  type PluginApi,
  type PluginFactory,
  type PluginInput,
  type RunEvent,
  STAGE,
  type UserConfig,
} from '@anneal/core';
import { referenceBackend, rewrite, tensor, withParameters } from '@anneal/graph';
import * as v from 'valibot';
import { afterAll } from 'vitest';

import { mlpPlugin, pointsPlugin, taskPlugin } from './problem.ts';

const parents: string[] = [];
// Builds flush what they write to the disk; in memory that costs nothing.
const MEMORY = '/dev/shm';
afterAll(() => {
  for (const parent of parents) rmSync(parent, { recursive: true, force: true });
});

/** A folder that is gone after the tests of the file. */
export function folder(): string {
  const made = realpathSync(mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'anneal-core-')));
  parents.push(made);
  return made;
}

/** A project folder in a folder of its own, so that what is written beside it is seen. */
export function project(): string {
  const root = join(folder(), 'project');
  mkdirSync(root);
  return root;
}

/** Weights rounded to so many binary digits after the point: lossy, and smaller in no way. */
export const rounding: PluginFactory<{ digits?: number | undefined; stage?: number | undefined }> = definePlugin({
  name: 'rounding',
  options: v.strictObject({ digits: v.optional(v.number(), 4), stage: v.optional(v.number(), STAGE.QUANTIZE) }),
  setup(api, { digits, stage }) {
    api.hooks.compress.transformModel.tap((model) => ({ ...rounded(model, digits), variant: 'rounded' }), { stage });
  },
});

export function rounded(model: Model, digits: number): Model {
  const graph = withParameters(model.graph, (_, { data }) => {
    if (!('data' in data)) throw new Error('the weights are still in a file');
    const values = Array.from(data.data, Number).map((value) => Math.round(value * 2 ** digits) / 2 ** digits);
    return { data: tensor('float32', data.shape, values) };
  });
  return { ...model, graph };
}

/** A rewrite that changes nothing, as folding does. */
export const copying = inline('copying', (api) => {
  api.hooks.compress.transformModel.tap((model) => ({ ...model, graph: rewrite(model.graph, {}) }), {
    stage: STAGE.FOLD,
  });
});

/** A plugin without options. */
export function inline(name: string, setup: (api: PluginApi) => void | Promise<void>): PluginFactory<object> {
  return definePlugin({ name, options: v.strictObject({}), setup });
}

export const basePlugins = (): PluginInput[] => [pointsPlugin(), taskPlugin({}), mlpPlugin()];

/** Trains for six steps. */
export function config(overrides: UserConfig = {}): UserConfig {
  const { train, evaluate, ...rest } = overrides;
  return {
    name: 'tiny',
    plugins: basePlugins(),
    backend: () => Promise.resolve(referenceBackend()),
    train: { epochs: 2, batchSize: 6, learningRate: 0.05, ...train },
    evaluate: { latencyRuns: 2, batchSize: 4, ...evaluate },
    ...rest,
  };
}

export function pipelineOf(root: string, overrides?: UserConfig): Promise<Pipeline> {
  return createPipeline(config(overrides), { root });
}

/** What a run did: phases in order with whether they came from the cache, warnings, and how it ended. */
export interface Told {
  readonly phases: readonly string[];
  readonly warnings: readonly string[];
  readonly events: readonly RunEvent[];
}

export function listener(): { onEvent: (event: RunEvent) => void; told: () => Told } {
  const events: RunEvent[] = [];
  return {
    onEvent: (event) => void events.push(event),
    told: () => ({
      events,
      phases: events.flatMap((event) =>
        event.type === 'phase-end' ? [`${event.stage}.${event.phase}${event.cached ? ' cached' : ''}`] : [],
      ),
      warnings: events.flatMap((event) =>
        event.type === 'log' && event.entry.level === 'warn' ? [event.entry.message] : [],
      ),
    }),
  };
}

/** The error that a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<AnnealError> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (!isAnnealError(error)) throw error;
  return error;
}

/** Every file below a folder with its bytes, as latin1 text. */
export function filesOf(path: string): ReadonlyMap<string, string> {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [relative(path, file), readFileSync(file, 'latin1')]),
  );
}

/** What a folder of the cache may hold besides results; nothing may be half done. */
const BESIDES: Readonly<Record<string, RegExp>> = {
  checkpoints: /^[0-9a-f]{32}\.safetensors$/,
  records: /^[0-9a-f]{64}\.json$/,
  // Held while a build runs only.
  locks: /^$/,
};

/** Results in a cache as phase and key. */
export function entriesOf(cacheDir: string): readonly (readonly [phase: string, key: string])[] {
  const found: [string, string][] = [];
  for (const folderName of existsSync(cacheDir) ? readdirSync(cacheDir) : []) {
    const shape = BESIDES[folderName];
    for (const name of readdirSync(join(cacheDir, folderName))) {
      if (!(shape ?? /^[0-9a-f]{64}$/).test(name)) throw new Error(`${folderName}/${name} is left over`);
      if (shape === undefined) found.push([folderName, name]);
    }
  }
  return found;
}
