import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

import { Build } from './build/build.ts';
import { prepareCache } from './build/cache-folder.ts';
import { lockRun, tidyUp } from './build/cache-store.ts';
import { RunScope } from './build/context.ts';
import { evaluateFolder } from './build/evaluate-folder.ts';
import { checkOutDir, recoverOutDir } from './build/emit.ts';
import { inputsOf } from './build/inputs.ts';
import { phaseKeys, type PhaseKeys } from './build/keys.ts';
import { Planner } from './build/plan.ts';
import { type StageSetup, setupStage } from './build/setup.ts';
import { isResolvedConfig, resolveConfig, type ResolveOptions } from './config/resolve.ts';
import type { ResolvedConfig, UserConfig } from './config/types.ts';
import { AnnealError, isAnnealError } from './errors/error.ts';
import type { HookRegistry, TapCall } from './hooks/create.ts';
import { throwAll } from './errors/throw-all.ts';
import { openBackend } from './node/backend.ts';
import type { RunEvent } from './observe/events.ts';
import { versionErrors } from './node/core-version.ts';
import { providersIn } from './node/providers.ts';
import { createLogger } from './observe/logger.ts';
import { runHandle } from './observe/run-handle.ts';
import type {
  EvaluateOptions,
  EvaluateResult,
  ExplainOptions,
  Explanation,
  Pipeline,
  PlanEntry,
  RunHandle,
  RunOptions,
  RunResult,
  TapListing,
  TapTimings,
} from './pipeline-types.ts';
import { Deprecations } from './plugin/deprecations.ts';
import { tapReasons } from './plugin/reasons.ts';
import { parseCondition } from './report/gates.ts';

/** What a pipeline is made with. */
export interface PipelineOptions extends ResolveOptions {
  /** Hears what is said outside of runs. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  /** Hears every call of a tap, e.g. {@link Trace.call}. */
  readonly onCall?: ((call: TapCall) => void) | undefined;
  /** Deprecated options, hooks and plugins are errors. @defaultValue `false`: a warning each */
  readonly strict?: boolean | undefined;
}

/**
 * Resolves a config, orders and sets up its plugins, and returns the build, ready to run any number of times.
 *
 * ```ts
 * await using pipeline = await createPipeline({ plugins: [...], stages: {...} }, { root: import.meta.dirname });
 * const { report } = await pipeline.run({ onEvent: console.log });
 * ```
 *
 * @throws AnnealError for a config or options that are not valid, before anything runs.
 */
export async function createPipeline(
  config: ResolvedConfig | UserConfig,
  options: PipelineOptions = {},
): Promise<Pipeline> {
  const resolved = isResolvedConfig(config) ? config : await resolveConfig(config, options);
  for (const [metric, condition] of Object.entries(resolved.gates)) parseCondition(metric, condition);
  // Plugins keep the logger of their setup: what they say in a run goes to that run, and else to the caller.
  const current = new AsyncLocalStorage<RunScope>();
  const { onEvent = ignore, onCall, strict = false } = options;
  const logger = createLogger((entry) => {
    (current.getStore()?.emit ?? onEvent)({ type: 'log', entry });
  });
  throwAll(await versionErrors([...new Set(resolved.stages.flatMap(({ plugins }) => plugins))]));
  const deprecations = new Deprecations(logger, strict);
  const services = { logger, deprecations, providers: providersIn(resolved), onCall };
  const stages: StageSetup[] = [];
  for (const stage of resolved.stages) stages.push(await setupStage(resolved, stage, services));
  deprecations.settle();
  return new ConfiguredPipeline(resolved, stages, current);
}

function ignore(): void {
  // Nobody listens.
}

class ConfiguredPipeline implements Pipeline {
  readonly #config: ResolvedConfig;
  readonly #stages: readonly StageSetup[];
  readonly #current: AsyncLocalStorage<RunScope>;
  /** Aborted by `close`. */
  readonly #closed = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(config: ResolvedConfig, stages: readonly StageSetup[], current: AsyncLocalStorage<RunScope>) {
    this.#config = config;
    this.#stages = stages;
    this.#current = current;
  }

  taps(): readonly TapListing[] {
    return this.#stages.flatMap(({ stage, registry }) => {
      const taps = registry.taps();
      const reasons = tapReasons(taps, stage.plugins);
      return taps.map((tap, i) => ({ stage: stage.name, ...tap, reasons: reasons[i] ?? [] }));
    });
  }

  timings(): readonly TapTimings[] {
    return this.#stages.flatMap(({ stage, registry }) =>
      registry.timings.filter(({ calls }) => calls > 0).map((timing) => ({ stage: stage.name, ...timing })),
    );
  }

  async plan({ stages }: Pick<RunOptions, 'stages'> = {}): Promise<readonly PlanEntry[]> {
    const selected = this.#select(stages);
    const keys = await this.#keys(selected);
    return this.#planned((scope) => new Planner(scope, keys).plan(selected));
  }

  async explain({ stage, phase }: ExplainOptions = {}): Promise<readonly Explanation[]> {
    const selected = this.#select(stage === undefined ? undefined : [stage]);
    const keys = await this.#keys(selected);
    const wanted = stage === undefined ? selected : selected.filter((setup) => setup.stage.name === stage);
    return this.#planned((scope) => new Planner(scope, keys).explain(wanted, phase));
  }

  async inputs({ stages }: Pick<RunOptions, 'stages'> = {}): Promise<readonly string[]> {
    return inputsOf(this.#config, this.#select(stages));
  }

  run(options: RunOptions = {}): RunHandle {
    return runHandle(options, (own) => this.#run(own));
  }

  async #run(options: RunOptions): Promise<RunResult> {
    const config = this.#config;
    const selected = this.#select(options.stages);
    return this.#execute(options, async (scope) => {
      try {
        await recoverOutDir(config);
        checkOneEmits(selected, config);
        await checkOutDir(config);
        const result = await this.#using(scope, async () => {
          const build = new Build(config, scope, options.force ?? false);
          const made = await build.run(selected, await this.#keys(selected));
          if (build.hasGrown) await tidyUp(config, scope.logger);
          return made;
        });
        for (const { registry } of selected) await registry.hooks.pipeline.afterRun.promise(scope.run);
        return result;
      } catch (error) {
        const failure = abortedError(error, scope.run.signal);
        for (const { registry } of selected) tellFailure(registry, failure, scope);
        throw failure;
      }
    });
  }

  async evaluate(options: EvaluateOptions = {}): Promise<EvaluateResult> {
    const setup = this.#stages.at(-1) as StageSetup;
    return this.#execute(options, (scope) =>
      this.#using(scope, async () => {
        const keys = await this.#keys(this.#select(undefined));
        return evaluateFolder(this.#config, setup, keys.get(setup.stage.name) as PhaseKeys, scope, options);
      }),
    );
  }

  /** Nothing that is in the cache when this begins, or comes there, is removed before it ends. */
  async #using<T>({ run }: RunScope, work: () => Promise<T>): Promise<T> {
    const { cacheDir } = this.#config;
    await prepareCache(cacheDir);
    const lock = await lockRun(cacheDir, run.id);
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.allSettled(this.#running);
  }

  #scope(signal: AbortSignal, emit: (event: RunEvent) => void): RunScope {
    const config = this.#config;
    return new RunScope({ id: randomUUID(), config, signal, emit, open: () => openBackend(config) });
  }

  /** Nothing runs, and what plugins say while a training is foreseen they say again when it runs. */
  async #planned<T>(work: (scope: RunScope) => Promise<T>): Promise<T> {
    const scope = this.#scope(new AbortController().signal, ignore);
    try {
      return await this.#current.run(scope, () => work(scope));
    } finally {
      await scope.close();
    }
  }

  /** Gives a piece of work its scope, which ends with it. */
  async #execute<T>(
    { signal, onEvent = ignore }: Pick<RunOptions, 'signal' | 'onEvent'>,
    work: (scope: RunScope) => Promise<T>,
  ): Promise<T> {
    const closed = this.#closed.signal;
    const scope = this.#scope(signal ? AbortSignal.any([signal, closed]) : closed, onEvent);
    const running = this.#current.run(scope, async () => {
      try {
        scope.run.signal.throwIfAborted();
        return await work(scope);
      } catch (error) {
        throw abortedError(error, scope.run.signal);
      } finally {
        await scope.close();
      }
    });
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The stages asked for and those that they start from, in the order of the config. */
  #select(names: readonly string[] | undefined): readonly StageSetup[] {
    if (names === undefined || names.length === 0) return this.#stages;
    const byName = new Map(this.#stages.map((setup) => [setup.stage.name, setup]));
    const wanted = new Set<string>();
    const add = (name: string): void => {
      const setup = byName.get(name);
      if (setup === undefined) {
        throw new AnnealError('ANNEAL_E_CONFIG', `there is no stage \`${name}\``, {
          fix: `use one of ${[...byName.keys()].join(', ')}`,
        });
      }
      wanted.add(name);
      if (setup.stage.from !== undefined) add(setup.stage.from);
    };
    names.forEach(add);
    return this.#stages.filter(({ stage }) => wanted.has(stage.name));
  }

  async #keys(stages: readonly StageSetup[]): Promise<ReadonlyMap<string, PhaseKeys>> {
    const keys = new Map<string, PhaseKeys>();
    for (const setup of stages) {
      const { name, from } = setup.stage;
      keys.set(name, await phaseKeys(setup, this.#config, from === undefined ? undefined : keys.get(from)));
    }
    return keys;
  }
}

/** The stages of one run share the output folder: a second one would replace what the first wrote. */
function checkOneEmits(selected: readonly StageSetup[], { outDir }: ResolvedConfig): void {
  const emitting = selected.filter(({ stage }) => stage.emit).map(({ stage }) => stage.name);
  if (emitting.length < 2) return;
  throw new AnnealError('ANNEAL_E_CONFIG', `the stages ${emitting.join(', ')} would all be written to "${outDir}"`, {
    path: ['stages', emitting[0] as string, 'emit'],
    fix: 'set `emit: false` for all but one, or run them one by one with `outDir` of their own',
  });
}

/** A tap that fails here must not hide what the run failed with. */
function tellFailure(registry: HookRegistry, failure: unknown, scope: RunScope): void {
  try {
    registry.hooks.pipeline.onFail.call(failure, scope.run);
  } catch (error) {
    scope.logger.warn(`After the failure of the run: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Whatever was thrown because of an abort becomes one coded error. */
function abortedError(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || (isAnnealError(error) && error.code !== 'ANNEAL_E_HOOK')) return error;
  return new AnnealError('ANNEAL_E_ABORTED', 'the run was stopped', {
    fix: 'run the same command again: finished phases come from the cache',
    cause: error,
  });
}
