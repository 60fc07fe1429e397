import { join } from 'node:path';

import type { ResolvedConfig } from '../config/types.ts';
import { isAnnealError } from '../errors/error.ts';
import { Cache } from '../node/cache.ts';
import { type PhaseRecord, Records } from '../node/records.ts';
import type { PhaseName } from '../observe/events.ts';
import type { Estimate, Explanation, PlanEntry } from '../pipeline-types.ts';
import type { TrainingForecast } from '../train/training.ts';
import { FOLDERS } from './cache-folder.ts';
import { CODECS, restoreArtifacts } from './codecs.ts';
import type { RunScope } from './context.ts';
import { isEmitted } from './emit.ts';
import { type Comparison, compareWithRecords, describeDifference } from './explain.ts';
import { firstPhase, type PhaseKey, type PhaseKeys, PHASES } from './keys.ts';
import { foreseeTraining, resolveTask } from './phases.ts';
import type { StageSetup } from './setup.ts';

/** Says what a build would do, from its keys, the cache, and the records of what was done before. */
export class Planner {
  readonly #config: ResolvedConfig;
  readonly #scope: RunScope;
  readonly #keys: ReadonlyMap<string, PhaseKeys>;
  readonly #byKey: ReadonlyMap<string, PhaseKey>;
  readonly #cache: Cache;
  #records: Promise<ReadonlyMap<string, PhaseRecord>> | undefined;

  constructor(scope: RunScope, keys: ReadonlyMap<string, PhaseKeys>) {
    const { config } = scope.run;
    this.#config = config;
    this.#scope = scope;
    this.#keys = keys;
    this.#byKey = new Map([...keys.values()].flatMap((of) => Object.values(of)).map((phase) => [phase.key, phase]));
    this.#cache = new Cache(config.cacheDir, scope.logger);
  }

  async plan(stages: readonly StageSetup[]): Promise<readonly PlanEntry[]> {
    const entries: PlanEntry[] = [];
    // What a stage makes, a later one of the same run finds.
    const made = new Set<string>();
    for (const setup of stages) {
      for (const phase of phasesOf(setup)) {
        const key = this.#keyOf(setup, phase);
        const cached = made.has(key.key) || (await this.#isThere(key));
        made.add(key.key);
        entries.push({
          stage: key.stage,
          phase,
          key: key.key,
          cached,
          ...(cached ? NOTHING : await this.#foresee(setup, key)),
          plugins: pluginsOf(setup, phase),
        });
      }
    }
    return entries;
  }

  async explain(stages: readonly StageSetup[], only: PhaseName | undefined): Promise<readonly Explanation[]> {
    const found: Explanation[] = [];
    for (const setup of stages) {
      for (const phase of phasesOf(setup)) {
        if (only !== undefined && phase !== only) continue;
        const { stage, key, parts } = this.#keyOf(setup, phase);
        const comparison = await this.#compare(this.#keyOf(setup, phase));
        const compared = comparison && {
          key: comparison.record.key,
          at: new Date(comparison.record.at),
          cached: await this.#isThere(comparison.record),
        };
        const differences = comparison?.differences ?? [];
        found.push({ stage, phase, key, cached: await this.#isThere({ phase, key }), parts, compared, differences });
      }
    }
    return found;
  }

  #keyOf({ stage }: StageSetup, phase: PhaseName): PhaseKey {
    return (this.#keys.get(stage.name) as PhaseKeys)[phase];
  }

  #isThere({ phase, key }: Pick<PhaseKey, 'phase' | 'key'>): Promise<boolean> {
    return phase === 'emit' ? isEmitted(this.#config.outDir, key) : this.#cache.has(phase, key);
  }

  async #compare(phase: PhaseKey): Promise<Comparison | undefined> {
    this.#records ??= new Records(join(this.#config.cacheDir, FOLDERS.records)).all();
    return compareWithRecords(phase, this.#byKey, await this.#records, this.#config);
  }

  async #foresee(setup: StageSetup, phase: PhaseKey): Promise<Pick<PlanEntry, 'reason' | 'seconds' | 'memory'>> {
    const comparison = await this.#compare(phase);
    const forecast = phase.phase === 'train' ? await this.#foreseeTraining(setup) : undefined;
    const records = [...((await this.#records)?.values() ?? [])].filter((record) => record.phase === phase.phase);
    const own = records.filter((record) => record.stage === phase.stage);
    const timed = (own.length > 0 ? own : records)
      .filter(({ seconds }) => seconds !== undefined)
      .toSorted((a, b) => b.at - a.at);
    return {
      reason: reasonOf(phase, comparison),
      seconds: secondsOf(phase, timed, forecast),
      memory: memoryOf(timed, forecast),
    };
  }

  /**
   * What a training would take, where the model and the data are there to look at.
   *
   * @throws AnnealError `ANNEAL_E_MEMORY` when it would not fit
   */
  async #foreseeTraining(setup: StageSetup): Promise<TrainingForecast | undefined> {
    const [data, model] = await Promise.all(
      (['data', 'model'] as const).map((phase) => this.#cache.open(phase, this.#keyOf(setup, phase).key)),
    );
    if (data === undefined || model === undefined) return undefined;
    try {
      const { dataset } = await CODECS.data.load(data);
      await restoreArtifacts(data, this.#scope.run.artifacts);
      await restoreArtifacts(model, this.#scope.run.artifacts);
      const task = await resolveTask(setup, this.#scope, dataset);
      const base = { ...this.#scope.context(setup.stage.name), dataset, task };
      return await foreseeTraining(setup, this.#scope, base, await CODECS.model.load(model));
    } catch (error) {
      if (isAnnealError(error) && error.code === 'ANNEAL_E_MEMORY') throw error;
      // Plugins may need what only a run prepares: then nothing is foreseen.
      return undefined;
    }
  }
}

const NOTHING = { reason: undefined, seconds: undefined, memory: undefined };

/** Phases that a stage has. */
function phasesOf({ stage: { evaluate, emit } }: StageSetup): readonly PhaseName[] {
  const has: Partial<Record<PhaseName, boolean>> = { compress: evaluate || emit, evaluate, emit };
  return PHASES.filter((phase) => has[phase] !== false);
}

function pluginsOf(setup: StageSetup, phase: PhaseName): readonly string[] {
  const takesPart = setup.plugins.filter(
    (active) => setup.registry.groupsOf(active.plugin.name).has(phase) || firstPhase(setup, active) === phase,
  );
  return takesPart.map(({ plugin }) => plugin.name);
}

function reasonOf({ phase, key, stage }: PhaseKey, comparison: Comparison | undefined): string {
  if (comparison === undefined) return 'was never done';
  const { record, differences } = comparison;
  if (record.key === key) return phase === 'emit' ? 'is not in the output folder' : 'is not in the cache any more';
  const [first, ...more] = differences;
  if (first === undefined) return 'was never done';
  const rest = more.length === 0 ? '' : `, and ${more.length} more`;
  const where = first.phase === phase && first.stage === stage ? '' : ` (of ${first.stage} ${first.phase})`;
  return `${describeDifference(first)}${where}${rest}`;
}

/** From what the same took, or the like; a training by the rate of the last one. */
function secondsOf(
  { key }: PhaseKey,
  timed: readonly PhaseRecord[],
  forecast: TrainingForecast | undefined,
): Estimate | undefined {
  const same = timed.find((record) => record.key === key);
  if (same?.seconds !== undefined) return { value: same.seconds, basis: 'the same work before' };
  const [last] = timed;
  if (last?.seconds === undefined) return undefined;
  const { training } = last;
  if (forecast === undefined || training === undefined || !(training.seconds > 0) || training.tokens === 0) {
    return { value: last.seconds, basis: 'the last run of this phase' };
  }
  const rate = training.tokens / training.seconds;
  const value = Math.max(0, last.seconds - training.seconds) + forecast.tokens / rate;
  const shown = rate < 100 ? rate.toPrecision(3) : Number(rate.toPrecision(3)).toLocaleString('en-US');
  return { value, basis: `${forecast.steps} steps at the ${shown} tokens/s of the last training` };
}

function memoryOf(timed: readonly PhaseRecord[], forecast: TrainingForecast | undefined): Estimate | undefined {
  if (forecast?.bytes !== undefined) return { value: forecast.bytes, basis: 'the programs of this training' };
  const peak = timed.find(({ peakRssBytes }) => peakRssBytes !== undefined)?.peakRssBytes;
  return peak === undefined ? undefined : { value: peak, basis: 'the process in the last run of this phase' };
}
