import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

import type { ResolvedConfig } from '../config/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { ModelContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { Cache } from '../node/cache.ts';
import { checkpointFile } from '../node/checkpoints.ts';
import { type Codec, jsonCodec, loadModel, modelCodec, saveModel } from '../node/codec.ts';
import { removeLeftovers, writeError } from '../node/files.ts';
import type { PhaseName } from '../observe/events.ts';
import type { RunResult } from '../pipeline-types.ts';
import type { Report } from '../report/types.ts';
import type { Task } from '../task.ts';
import type { TrainReport } from '../train/types.ts';
import type { RunScope } from './context.ts';
import { emitPhase, emittedReport } from './emit.ts';
import { type EvaluateResult, evaluatePhase } from './evaluate.ts';
import type { PhaseKeys } from './keys.ts';
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

const CODECS: {
  readonly data: Codec<DataResult>;
  readonly model: Codec<Model>;
  readonly train: Codec<TrainResult>;
  readonly compress: Codec<CompressResult>;
  readonly evaluate: Codec<EvaluateResult>;
} = {
  data: jsonCodec(),
  model: modelCodec,
  train: {
    save: async (folder, { model, report }) => {
      await saveModel(folder, 'model', model);
      await jsonCodec<{ report: TrainReport | undefined }>('train.json').save(folder, { report });
    },
    load: async (folder) => ({
      model: await loadModel(folder, 'model'),
      report: (await jsonCodec<{ report?: TrainReport }>('train.json').load(folder)).report,
    }),
  },
  compress: {
    save: async (folder, { reference, compressed, checks }) => {
      await saveModel(folder, 'reference', reference);
      if (compressed !== undefined) await saveModel(folder, 'compressed', compressed);
      await jsonCodec('compress.json').save(folder, { checks, compressed: compressed !== undefined });
    },
    load: async (folder) => {
      const facts = await jsonCodec<{ checks: CompressResult['checks']; compressed: boolean }>('compress.json').load(
        folder,
      );
      return {
        reference: await loadModel(folder, 'reference'),
        compressed: facts.compressed ? await loadModel(folder, 'compressed') : undefined,
        checks: facts.checks,
      };
    },
  },
  evaluate: jsonCodec(),
};
type Cached = keyof typeof CODECS;
type ValueOf<P extends Cached> = (typeof CODECS)[P] extends Codec<infer T> ? T : never;

/** Results of a stage that later stages and the report use. */
interface StageResult {
  readonly train: Result<TrainResult>;
  readonly reports: readonly Result<TrainResult>[];
}

/** Folder of the checkpoints of trainings that are not finished. */
const CHECKPOINTS = 'checkpoints';
/** Prefix of the files of a cache entry that are artifacts. */
const ARTIFACT = 'artifact.';

/** One execution of a build. */
export class Build {
  readonly #config: ResolvedConfig;
  readonly #scope: RunScope;
  readonly #cache: Cache;
  readonly #force: boolean;
  readonly #timings: Report['timings'][number][] = [];

  constructor(config: ResolvedConfig, scope: RunScope, force: boolean) {
    this.#config = config;
    this.#scope = scope;
    this.#force = force;
    this.#cache = new Cache(config.cacheDir, scope.logger);
  }

  /** Runs the given stages in order; the last one's result is what the run returns. */
  async run(stages: readonly StageSetup[], keys: ReadonlyMap<string, PhaseKeys>): Promise<RunResult> {
    const done = new Map<string, StageResult>();
    let last: RunResult | undefined;
    for (const setup of stages) {
      const { name, from } = setup.stage;
      last = await this.#stage(
        setup,
        keys.get(name) as PhaseKeys,
        from === undefined ? undefined : done.get(from),
        done,
      );
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
    const checkpoint = checkpointFile(
      join(this.#config.cacheDir, CHECKPOINTS, `${keys.train.slice(0, 32)}.safetensors`),
      scope.logger,
    );
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
    const emitted = stage.emit && !this.#force ? await emittedReport(this.#config.outDir, keys.emit) : undefined;
    if (emitted !== undefined) {
      await this.#timed(setup, 'emit', true, () => Promise.resolve());
      return { report: emitted, outDir: this.#config.outDir, accepted: isAccepted(emitted) };
    }
    const compressed = await compress.get();
    const report = await this.#report(data, await trainReports(), compressed.checks, await evaluate?.get());
    if (stage.emit) {
      await this.#timed(setup, 'emit', false, async () =>
        emitPhase({
          setup,
          base: await base(),
          trained: (await train.get()).model,
          reference: compressed.reference,
          compressed: compressed.compressed,
          report,
          key: keys.emit,
        }),
      );
    }
    const outDir = stage.emit ? this.#config.outDir : undefined;
    return { report, outDir, accepted: isAccepted(report) };
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
    const key = keys[phase];
    const found = this.#force ? undefined : await this.#cache.open(phase, key);
    if (found !== undefined) {
      await this.#timed(setup, phase, true, () => this.#restoreArtifacts(found));
      let value: Promise<ValueOf<P>> | undefined;
      return { cached: true, get: () => (value ??= codec.load(found)) };
    }
    const value = await this.#timed(setup, phase, false, async () => {
      const { artifacts } = this.#scope.run;
      const before = new Map(artifacts.entries());
      const made = await compute();
      this.#scope.run.signal.throwIfAborted();
      const fill = async (folder: string): Promise<void> => {
        await codec.save(folder, made);
        for (const [name, bytes] of artifacts.entries()) {
          if (before.get(name) === bytes) continue;
          await writeFile(join(folder, ARTIFACT + encodeURIComponent(name)), bytes);
        }
      };
      await this.#cache.write(phase, key, fill, this.#force);
      return made;
    });
    return { cached: false, get: () => Promise.resolve(value) };
  }

  async #restoreArtifacts(folder: string): Promise<void> {
    for (const file of await readdir(folder)) {
      if (!file.startsWith(ARTIFACT)) continue;
      const name = decodeURIComponent(file.slice(ARTIFACT.length));
      this.#scope.run.artifacts.set(name, await readFile(join(folder, file)));
    }
  }

  async #timed<T>(setup: StageSetup, phase: PhaseName, cached: boolean, work: () => Promise<T>): Promise<T> {
    const stage = setup.stage.name;
    const { emit, run } = this.#scope;
    run.signal.throwIfAborted();
    emit({ type: 'phase-start', stage, phase });
    const start = performance.now();
    const value = await work();
    const seconds = (performance.now() - start) / 1000;
    this.#timings.push({ stage, phase, seconds, cached });
    emit({ type: 'phase-end', stage, phase, seconds, cached });
    return value;
  }
}

function isAccepted({ gates }: Report): boolean {
  return gates.every(({ passed }) => passed);
}

/**
 * The cache folder must be usable before an hour of work ends in an error. Removes what killed builds left there.
 *
 * @throws AnnealError `ANNEAL_E_CACHE` when it is no folder, `ANNEAL_E_WRITE` when it cannot be written to.
 */
export async function prepareCache(cacheDir: string): Promise<void> {
  const info = await stat(cacheDir).catch(() => undefined);
  if (info !== undefined && !info.isDirectory()) {
    throw new AnnealError('ANNEAL_E_CACHE', `\`cacheDir\` "${cacheDir}" is a file`, {
      path: ['cacheDir'],
      file: cacheDir,
      fix: 'remove it, or choose another folder',
    });
  }
  try {
    await mkdir(cacheDir, { recursive: true });
    // Trying is the only way to know: permissions are not all there is.
    const probe = join(cacheDir, `.probe.${process.pid}.${randomUUID().slice(0, 8)}.tmp`);
    await mkdir(probe);
    await rmdir(probe);
  } catch (error) {
    throw writeError(cacheDir, error);
  }
  for (const folder of ['.', CHECKPOINTS, ...Object.keys(CODECS)]) await removeLeftovers(join(cacheDir, folder));
}
