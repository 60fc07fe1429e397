import { type BackendState, tensor, type TensorData } from '@anneal/graph';

import { collate, type FeatureSpec } from '../data/batches.ts';
import type { Batch, Sample } from '../data/types.ts';
import { describeDiagnosis } from './diagnosis.ts';
import type { Compiled, StepPrograms } from './programs.ts';
import { FEED, RESULT, type StepSource, sumShapes, updatesApart } from './step-graph.ts';
import type { StepPlan } from './step-plan.ts';
import type { StepProgress } from './types.ts';

export interface StepRunnerOptions {
  readonly source: StepSource;
  readonly programs: StepPrograms;
  readonly state: BackendState;
  readonly samples: readonly Sample[];
  readonly specs: readonly FeatureSpec[];
  readonly seed: number;
  /** Steps may have several micro-batches, whose gradients are added up. */
  readonly accumulate: boolean;
}

export interface StepInput {
  readonly plan: StepPlan;
  readonly progress: StepProgress;
  readonly learningRate: number;
  /** Updates done including this one. */
  readonly update: number;
}

/** What a step did. When loss or norm are not finite it changed no weight. */
export interface StepOutcome {
  /** The mean over the whole step. */
  readonly loss: number;
  /** Norm of all gradients before clipping. */
  readonly gradNorm: number;
  readonly tokens: number;
  /** Without compiling. */
  readonly seconds: number;
}

/** One batch of a step with its program. */
interface Micro {
  readonly batch: Batch;
  readonly compiled: Compiled;
}

/** Runs optimizer steps over planned micro-batches. */
export class StepRunner {
  readonly #options: StepRunnerOptions;
  /** The update is a program apart. */
  readonly #apart: boolean;

  constructor(options: StepRunnerOptions) {
    this.#options = options;
    this.#apart = updatesApart(options.source, options.accumulate);
  }

  async run(input: StepInput): Promise<StepOutcome> {
    const { programs, accumulate } = this.#options;
    const { plan, learningRate, update } = input;
    const kind = accumulate ? 'accumulate' : this.#apart ? 'gradients' : 'step';
    // Compiling is not training: programs are made before the clock starts.
    const micros: Micro[] = [];
    for (const batch of plan.map((one) => this.#collate(one))) {
      micros.push({ batch, compiled: await programs.get(kind, batch) });
    }
    const norm = accumulate ? await programs.get('norm') : undefined;
    const apply = this.#apart ? await programs.get('apply') : undefined;
    const scalars = {
      [FEED.learningRate]: scalar(learningRate),
      [FEED.step]: scalar(update),
    };
    const start = performance.now();
    const { loss, gradNorm, weight } = norm
      ? await this.#accumulate(micros, norm, input)
      : await this.#single(micros[0] as Micro, input, apply ? {} : scalars);
    if (apply && Number.isFinite(loss) && Number.isFinite(gradNorm)) {
      await apply.program.run({ ...scalars, [FEED.gradNorm]: scalar(gradNorm), [FEED.weight]: scalar(weight) });
    }
    // What is to be added to must be zero, also after a step that came to nothing.
    if (accumulate) await this.#options.state.clear([...sumShapes(this.#options.source).keys()]);
    const seconds = (performance.now() - start) / 1000;
    return { loss, gradNorm, seconds, tokens: micros.reduce((sum, { batch }) => sum + batch.tokens, 0) };
  }

  /** Which values and gradients are not finite, in words; computed anew, as a step does not keep them. */
  async diagnose({ plan, progress }: Pick<StepInput, 'plan' | 'progress'>): Promise<string> {
    const { programs, seed } = this.#options;
    for (const [i, one] of plan.entries()) {
      const batch = this.#collate(one);
      const compiled = await programs.diagnosis(batch);
      const result = await compiled.program.run(programs.feeds(compiled, batch, progress, seed, i));
      const found = describeDiagnosis(compiled, result);
      if (found !== undefined) return found;
    }
    // Every batch was fine: what is left is the sum of squares.
    return 'all values and gradients are finite, but the norm of the gradients overflows';
  }

  async #single({ batch, compiled }: Micro, { progress }: StepInput, scalars: Scalars): Promise<Scores> {
    const { programs, seed } = this.#options;
    const result = await compiled.program.run({ ...programs.feeds(compiled, batch, progress, seed, 0), ...scalars });
    return { loss: scalarOf(result, RESULT.loss), gradNorm: scalarOf(result, RESULT.gradNorm), weight: 1 };
  }

  async #accumulate(micros: readonly Micro[], norm: Compiled, { progress }: StepInput): Promise<Scores> {
    const { programs, seed } = this.#options;
    let [sum, total] = [0, 0];
    for (const [i, { batch, compiled }] of micros.entries()) {
      const result = await compiled.program.run(programs.feeds(compiled, batch, progress, seed, i));
      const weight = scalarOf(result, RESULT.weight);
      // Nothing to learn from, such as a batch whose every token is ignored.
      if (weight === 0) continue;
      sum += weight * scalarOf(result, RESULT.loss);
      total += weight;
    }
    const loss = sum / total;
    const gradNorm = Number.isFinite(loss)
      ? scalarOf(await norm.program.run({ [FEED.weight]: scalar(total) }), RESULT.gradNorm)
      : Number.NaN;
    return { loss, gradNorm, weight: total };
  }

  #collate({ indices, size, length }: StepPlan[number]): Batch {
    const { samples, specs } = this.#options;
    return collate(
      indices.map((i) => samples[i] as Sample),
      specs,
      { size, length },
    );
  }
}

type Scalars = Readonly<Record<string, TensorData>>;
interface Scores extends Pick<StepOutcome, 'loss' | 'gradNorm'> {
  /** What the gradients that are with the backend are to be divided by. */
  readonly weight: number;
}

function scalar(value: number): TensorData {
  return tensor('float32', [], [value]);
}

function scalarOf(tensors: Readonly<Record<string, TensorData>>, name: string): number {
  return Number(tensors[name]?.data[0] ?? Number.NaN);
}
