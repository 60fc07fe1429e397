import { type BackendState, tensor, type TensorData, zeros } from '@anneal/graph';

import { collate, type FeatureSpec } from '../data/batches.ts';
import type { Batch, Sample } from '../data/types.ts';
import { describeDiagnosis } from './diagnosis.ts';
import type { Compiled, StepPrograms } from './programs.ts';
import { FEED, RESULT, type StepSource, sumShapes } from './step-graph.ts';
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

  constructor(options: StepRunnerOptions) {
    this.#options = options;
  }

  async run(input: StepInput): Promise<StepOutcome> {
    const { programs, accumulate } = this.#options;
    const { plan, learningRate, update } = input;
    // Compiling is not training: programs are made before the clock starts.
    const micros: Micro[] = [];
    for (const batch of plan.map((one) => this.#collate(one))) {
      micros.push({ batch, compiled: await programs.get(accumulate ? 'accumulate' : 'step', batch) });
    }
    const apply = accumulate ? await programs.get('apply') : undefined;
    const scalars = {
      [FEED.learningRate]: tensor('float32', [], [learningRate]),
      [FEED.step]: tensor('float32', [], [update]),
    };
    const start = performance.now();
    const { loss, gradNorm } = apply
      ? await this.#accumulate(micros, apply, input, scalars)
      : await this.#single(micros[0] as Micro, input, scalars);
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
    return { loss: scalarOf(result, RESULT.loss), gradNorm: scalarOf(result, RESULT.gradNorm) };
  }

  async #accumulate(
    micros: readonly Micro[],
    apply: Compiled,
    { progress }: StepInput,
    scalars: Scalars,
  ): Promise<Scores> {
    const { programs, seed, state, source } = this.#options;
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
    const gradNorm = Number.isFinite(loss) ? scalarOf(await apply.program.run(scalars), RESULT.gradNorm) : Number.NaN;
    if (!Number.isFinite(gradNorm)) {
      const clean = [...sumShapes(source)].map(([name, shape]) => [name, zeros('float32', shape)] as const);
      await state.write(Object.fromEntries(clean));
    }
    return { loss, gradNorm };
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
type Scores = Pick<StepOutcome, 'loss' | 'gradNorm'>;

function scalarOf(tensors: Readonly<Record<string, TensorData>>, name: string): number {
  return Number(tensors[name]?.data[0] ?? Number.NaN);
}
