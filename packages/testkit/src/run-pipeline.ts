import { AsyncLocalStorage } from 'node:async_hooks';

import {
  createPipeline,
  definePlugin,
  type LogEntry,
  type Plugin,
  type ResolveOptions,
  type RunEvent,
  type RunOptions,
  type RunResult,
  type UserConfig,
} from '@anneal/core';
import { referenceBackend } from '@anneal/graph';
import * as v from 'valibot';

import { readFiles, removeFolder, temporaryFolder, writeFiles } from './project.ts';

/** Where and how {@link runPipeline} builds. */
export interface RunPipelineOptions
  extends Pick<ResolveOptions, 'mode' | 'set'>, Pick<RunOptions, 'stages' | 'force' | 'signal'> {
  /** Files of the project by path, written before the build: `{ 'data/train.jsonl': '…' }`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** A folder to build in, which stays with its cache. @defaultValue a new one, which is removed */
  readonly root?: string | undefined;
}

/** What a build made and said. */
export interface PipelineResult extends RunResult {
  /** Files of the output folder by path: `onnx/model.onnx`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `run.artifacts` at the end. */
  readonly artifacts: ReadonlyMap<string, Uint8Array>;
  /** In order. */
  readonly events: readonly RunEvent[];
  /** In order. */
  readonly logs: readonly LogEntry[];
  /** Phases in order: `main.train`, or `main.train cached`. */
  readonly phases: readonly string[];
}

/** A few fast steps on the reference interpreter, where the config says nothing else. */
function configOf({ train, evaluate, plugins = [], ...config }: UserConfig, probe: Plugin): UserConfig {
  return {
    name: 'test',
    backend: () => Promise.resolve(referenceBackend()),
    train: { epochs: 1, batchSize: 8, ...train },
    evaluate: { batchSize: 8, latencyRuns: 1, ...evaluate },
    ...config,
    plugins: [...plugins, probe],
  };
}

/** A pipeline in a folder. */
export interface Project extends AsyncDisposable {
  readonly root: string;
  /** What was said before any run. */
  readonly logs: readonly LogEntry[];
  /** Runs may overlap; the files are those of the run that ended last. */
  run(options?: RunOptions): Promise<PipelineResult>;
}

/** What a run has left behind. */
interface Traces {
  artifacts: ReadonlyMap<string, Uint8Array>;
}

/** Sets a build up in a folder of its own. */
export async function openProject(config: UserConfig, options: RunPipelineOptions = {}): Promise<Project> {
  const { files = {}, mode, set } = options;
  const root = options.root ?? (await temporaryFolder());
  const remove = async (): Promise<void> => (options.root === undefined ? removeFolder(root) : undefined);
  const current = new AsyncLocalStorage<Traces>();
  const probe = definePlugin({
    name: 'testkit',
    options: v.strictObject({}),
    setup(api) {
      api.hooks.pipeline.afterRun.tap(({ artifacts }) => {
        (current.getStore() as Traces).artifacts = new Map(artifacts.entries());
      });
    },
  });
  try {
    await writeFiles(root, files);
    const early: RunEvent[] = [];
    const onEvent = (event: RunEvent): void => void early.push(event);
    const pipeline = await createPipeline(configOf(config, probe()), { root, mode, set, onEvent });
    return {
      root,
      logs: logsOf(early),
      run: async (runOptions = {}) => {
        const traces: Traces = { artifacts: new Map() };
        const events: RunEvent[] = [];
        const listen = (event: RunEvent): void => {
          events.push(event);
          runOptions.onEvent?.(event);
        };
        const result = await current.run(traces, () => pipeline.run({ ...runOptions, onEvent: listen }));
        const written = result.outDir === undefined ? new Map() : await readFiles(result.outDir);
        return { ...result, files: written, ...traces, events, logs: logsOf(events), phases: phasesOf(events) };
      },
      [Symbol.asyncDispose]: async () => {
        await pipeline.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function logsOf(events: readonly RunEvent[]): readonly LogEntry[] {
  return events.flatMap((event) => (event.type === 'log' ? [event.entry] : []));
}

function phasesOf(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) =>
    event.type === 'phase-end' ? [`${event.stage}.${event.phase}${event.cached ? ' cached' : ''}`] : [],
  );
}

/**
 * Runs a whole build, on the reference interpreter unless the config names a backend, and returns all that it made:
 *
 * ```ts
 * const { files, report } = await runPipeline({ plugins: [myPlugin(), ...tinyTextClassification()] });
 * ```
 *
 * @throws AnnealError as `createPipeline` and `pipeline.run` do.
 */
export async function runPipeline(config: UserConfig, options: RunPipelineOptions = {}): Promise<PipelineResult> {
  await using project = await openProject(config, options);
  const { stages, force, signal } = options;
  const result = await project.run({ stages, force, signal });
  return { ...result, logs: [...project.logs, ...result.logs] };
}
