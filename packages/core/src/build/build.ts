import { join } from 'node:path';
import process from 'node:process';

import type { ResolvedConfig } from '../config/types.ts';
import type { ModelContext } from '../hooks/types.ts';
import { Cache } from '../node/cache.ts';
import { checkpointFile } from '../node/checkpoints.ts';
import type { Codec } from '../node/codec.ts';
import { type Lock, Locks } from '../node/locks.ts';
import { Records, type TrainingRecord } from '../node/records.ts';
import type { PhaseName } from '../observe/events.ts';
import type { RunResult } from '../pipeline-types.ts';
import { type RemoteEntries, remoteEntries } from '../remote/entries.ts';
import type { Report } from '../report/types.ts';
import type { Task } from '../task.ts';
import type { TrainReport } from '../train/types.ts';
import { checkpointPath, FOLDERS } from './cache-folder.ts';
import { type Cached, CODECS, restoreArtifacts, saveArtifacts, type ValueOf } from './codecs.ts';
import type { RunScope } from './context.ts';
import { emitPhase, emittedReport } from './emit.ts';
import { type EvaluateResult, evaluatePhase } from './evaluate.ts';
import type { PhaseKey, PhaseKeys } from './keys.ts';
import {
  checkTestSplit,
  type CompressResult,
  compressPhase,
  type DataResult,
  dataPhase,
  modelPhase,
  resolveTask,
  trainPhase,
  type TrainResult,
} from './phases.ts';
import { assembleReport } from './report.ts';
import type { StageSetup } from './setup.ts';

/** A phase's result that is loaded from the cache when somebody asks. */
interface Result<T> {
  readonly cached: boolean;
  get(): Promise<T>;
}

/** Results of a stage that later stages and the report use. */
interface StageResult {
  readonly train: Result<TrainResult>;
  readonly reports: readonly Result<TrainResult>[];
}

/** One execution of a build. */
export class Build {
  readonly #config: ResolvedConfig;
  readonly #scope: RunScope;
  readonly #cache: Cache;
  readonly #locks: Locks;
  readonly #records: Records;
  readonly #remote: RemoteEntries | undefined;
  readonly #sending: Promise<void>[] = [];
  readonly #force: boolean;
  readonly #timings: Report['timings'][number][] = [];

  constructor(config: ResolvedConfig, scope: RunScope, force: boolean) {
    this.#config = config;
    this.#scope = scope;
    this.#force = force;
    this.#cache = new Cache(config.cacheDir, scope.logger);
    this.#locks = new Locks(join(config.cacheDir, FOLDERS.locks));
    this.#records = new Records(join(config.cacheDir, FOLDERS.records));
    this.#remote = remoteEntries(config, this.#cache, scope);
  }

  /** Whether results were added to the cache. */
  get hasGrown(): boolean {
    return this.#timings.some(({ cached }) => !cached);
  }

  /** Runs the given stages in order; the last one's result is what the run returns. */
  async run(stages: readonly StageSetup[], keys: ReadonlyMap<string, PhaseKeys>): Promise<RunResult> {
    const done = new Map<string, StageResult>();
    let last: RunResult | undefined;
    try {
      for (const setup of stages) {
        const { name, from } = setup.stage;
        last = await this.#stage(
          setup,
          keys.get(name) as PhaseKeys,
          from === undefined ? undefined : done.get(from),
          done,
        );
      }
    } finally {
      await Promise.allSettled(this.#sending);
    }
    return last as RunResult;
  }

  /** The data of a stage alone. */
  async data(setup: StageSetup, keys: PhaseKeys): Promise<DataResult> {
    return (await this.#phase(setup, 'data', keys, () => dataPhase(setup, this.#scope))).get();
  }

  async #stage(
    setup: StageSetup,
    keys: PhaseKeys,
    from: StageResult | undefined,
    done: Map<string, StageResult>,
  ): Promise<RunResult> {
    const { stage } = setup;
    const scope = this.#scope;
    const data = await this.#phase(setup, 'data', keys, () => dataPhase(setup, scope));
    let context: Promise<ModelContext> | undefined;
    const base = (): Promise<ModelContext> => (context ??= this.#context(setup, data));
    const model = await this.#phase(setup, 'model', keys, async () =>
      modelPhase(setup, await base(), from && (await from.train.get()).model),
    );
    const checkpoint = checkpointFile(checkpointPath(this.#config.cacheDir, keys.train), scope.logger);
    const train = await this.#phase(setup, 'train', keys, async () =>
      trainPhase(setup, scope, await base(), await model.get(), checkpoint),
    );
    // The result is in the cache: nothing will resume from here any more.
    if (!train.cached) await checkpoint.remove();
    const reports = [...(from?.reports ?? []), train];
    done.set(stage.name, { train, reports });

    const trainReports = async (): Promise<readonly TrainReport[]> =>
      (await Promise.all(reports.map(async (result) => (await result.get()).report))).filter(
        (report) => report !== undefined,
      );
    const noReport = async (): Promise<Report> => this.#report(data, await trainReports(), [], undefined);
    if (!stage.evaluate && !stage.emit) return { report: await noReport(), outDir: undefined, accepted: true };

    const compress = await this.#phase(setup, 'compress', keys, async () =>
      compressPhase(setup, scope, await base(), (await train.get()).model),
    );
    const evaluate = stage.evaluate
      ? await this.#phase(setup, 'evaluate', keys, async () =>
          evaluatePhase(setup, scope, await base(), await compress.get()),
        )
      : undefined;
    const reportAnew = async (): Promise<Report> =>
      this.#report(data, await trainReports(), (await compress.get()).checks, await evaluate?.get());
    if (!stage.emit) {
      const report = await reportAnew();
      return { report, outDir: undefined, accepted: isAccepted(report) };
    }
    const report = await this.#emit(setup, keys.emit, reportAnew, async (made) => {
      const { reference, compressed } = await compress.get();
      const trained = (await train.get()).model;
      const key = keys.emit.key;
      await emitPhase({ setup, base: await base(), trained, reference, compressed, report: made, key });
    });
    return { report, outDir: this.#config.outDir, accepted: isAccepted(report) };
  }

  /** The report of the output folder: written there now, unless this very build stands there already. */
  async #emit(
    setup: StageSetup,
    phase: PhaseKey,
    assemble: () => Promise<Report>,
    write: (report: Report) => Promise<void>,
  ): Promise<Report> {
    const { outDir } = this.#config;
    const emitted = async (): Promise<Report | undefined> =>
      this.#force ? undefined : emittedReport(outDir, phase.key);
    const reuse = async (report: Report): Promise<Report> => {
      await this.#timed(setup, 'emit', true, () => Promise.resolve());
      return report;
    };
    const before = await emitted();
    if (before !== undefined) return reuse(before);
    const lock = await this.#lock(phase);
    try {
      const meanwhile = await emitted();
      if (meanwhile !== undefined) return await reuse(meanwhile);
      const report = await assemble();
      const { seconds } = await this.#timed(setup, 'emit', false, () => write(report));
      await this.#record(phase, seconds);
      return report;
    } finally {
      await lock.release();
    }
  }

  async #context(setup: StageSetup, data: Result<DataResult>): Promise<ModelContext> {
    const { dataset } = await data.get();
    if (setup.stage.evaluate) checkTestSplit(dataset);
    const task: Task = await resolveTask(setup, this.#scope, dataset);
    return { ...this.#scope.context(setup.stage.name), dataset, task };
  }

  async #report(
    data: Result<DataResult>,
    train: readonly TrainReport[],
    checks: CompressResult['checks'],
    evaluate: EvaluateResult | undefined,
  ): Promise<Report> {
    return assembleReport({
      config: this.#config,
      data: await data.get(),
      train,
      compress: { checks },
      evaluate,
      timings: [...this.#timings],
      backend: (await this.#scope.opened())?.info,
    });
  }

  /** The result of a phase: from the cache, or made and put there, with the artifacts that it set. */
  async #phase<P extends Cached>(
    setup: StageSetup,
    phase: P,
    keys: PhaseKeys,
    compute: () => Promise<ValueOf<P>>,
  ): Promise<Result<ValueOf<P>>> {
    const codec = CODECS[phase] as unknown as Codec<ValueOf<P>>;
    const { key } = keys[phase];
    const reuse = async (folder: string): Promise<Result<ValueOf<P>>> => {
      await this.#timed(setup, phase, true, () => restoreArtifacts(folder, this.#scope.run.artifacts));
      if ((await this.#records.get(key)) === undefined) await this.#record(keys[phase], undefined);
      let value: Promise<ValueOf<P>> | undefined;
      return { cached: true, get: () => (value ??= codec.load(folder)) };
    };
    const find = async (): Promise<string | undefined> => (this.#force ? undefined : this.#cache.open(phase, key));
    const before = await find();
    if (before !== undefined) return reuse(before);
    const lock = await this.#lock(keys[phase]);
    try {
      const meanwhile = await find();
      if (meanwhile !== undefined) return await reuse(meanwhile);
      const fetched = await this.#fetch(keys[phase], codec);
      if (fetched !== undefined) return await reuse(fetched);
      const { value, seconds } = await this.#timed(setup, phase, false, () => this.#make(phase, key, codec, compute));
      await this.#record(keys[phase], seconds, phase === 'train' ? trainingRecord(value as TrainResult) : undefined);
      if (this.#remote !== undefined) this.#sending.push(this.#send(this.#remote, phase, key));
      return { cached: false, get: () => Promise.resolve(value) };
    } finally {
      await lock.release();
    }
  }

  /** The folder of a result that the remote cache gave, and that can be read. */
  async #fetch<T>({ stage, phase, key }: PhaseKey, codec: Codec<T>): Promise<string | undefined> {
    const folder = this.#force ? undefined : await this.#remote?.fetch(phase, key);
    if (folder === undefined) return undefined;
    const { logger } = this.#scope;
    try {
      await codec.load(folder);
      logger.info(`the result of ${stage} ${phase} came from the remote cache`);
      return folder;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn(`The result of ${phase} from the remote cache cannot be read (${reason}); it is made here`);
      await this.#cache.remove(phase, key);
      return undefined;
    }
  }

  async #send(remote: RemoteEntries, phase: PhaseName, key: string): Promise<void> {
    // Stopped with the run, or the disk is at fault: what there is to say is said elsewhere.
    await remote.publish(phase, key).catch(() => undefined);
  }

  /** Computes the result of a phase and puts it into the cache, with the artifacts that it set. */
  async #make<T>(phase: Cached, key: string, codec: Codec<T>, compute: () => Promise<T>): Promise<T> {
    const { artifacts, signal } = this.#scope.run;
    const before = new Map(artifacts.entries());
    const made = await compute();
    signal.throwIfAborted();
    const fill = async (folder: string): Promise<void> => {
      await codec.save(folder, made);
      await saveArtifacts(folder, artifacts, before);
    };
    await this.#cache.write(phase, key, fill, this.#force);
    return made;
  }

  /** Nobody else makes this result until the lock is released; who is told to make it anew in any case does not wait. */
  async #lock({ key, stage, phase }: PhaseKey): Promise<Lock> {
    if (this.#force) return { release: () => Promise.resolve() };
    return this.#locks.acquire(key, {
      signal: this.#scope.run.signal,
      onWait: (owner) => {
        const who = owner === undefined ? 'another build' : `another build (process ${owner.pid})`;
        this.#scope.logger.info(`waiting for ${who}, which is at work on ${stage} ${phase}`);
      },
    });
  }

  #record(phase: PhaseKey, seconds: number | undefined, training?: TrainingRecord): Promise<void> {
    const peakRssBytes = seconds === undefined ? undefined : process.resourceUsage().maxRSS * 1024;
    return this.#records.write({ ...phase, at: Date.now(), seconds, peakRssBytes, training });
  }

  async #timed<T>(
    setup: StageSetup,
    phase: PhaseName,
    cached: boolean,
    work: () => Promise<T>,
  ): Promise<{ readonly value: T; readonly seconds: number }> {
    const stage = setup.stage.name;
    const { emit, run } = this.#scope;
    run.signal.throwIfAborted();
    emit({ type: 'phase-start', stage, phase });
    const start = performance.now();
    const value = await work();
    const seconds = (performance.now() - start) / 1000;
    this.#timings.push({ stage, phase, seconds, cached });
    emit({ type: 'phase-end', stage, phase, seconds, cached });
    return { value, seconds };
  }
}

function trainingRecord({ report }: TrainResult): TrainingRecord | undefined {
  if (report === undefined) return undefined;
  const { steps, tokens, seconds } = report;
  return { steps, tokens, seconds };
}

function isAccepted({ gates }: Report): boolean {
  return gates.every(({ passed }) => passed);
}
