import { type Backend, type BackendState, type Program, tensor, type TensorData } from '@anneal/graph';

import type { Batch } from '../data/types.ts';
import type { Logger } from '../observe/logger.ts';
import { draw } from './draw.ts';
import {
  FEED,
  RESULT,
  type StepProgram,
  type StepSource,
  traceAccumulate,
  traceApply,
  traceDiagnosis,
  traceStep,
} from './step-graph.ts';
import type { StepProgress } from './types.ts';

/** A program of the step with what the host feeds it. */
export interface Compiled extends StepProgram {
  readonly program: Program;
}

type Kind = 'step' | 'accumulate' | 'apply' | 'diagnosis';
const TRACE: Readonly<Record<Kind, (source: StepSource, size: number, length: number | undefined) => StepProgram>> = {
  step: traceStep,
  accumulate: traceAccumulate,
  apply: traceApply,
  diagnosis: traceDiagnosis,
};
/** While accumulating there is no norm yet; a poisoned sum is noticed, and cleared, when it is applied. */
const GUARDED: ReadonlySet<Kind> = new Set(['step', 'apply']);

/** The programs of a training step, traced and compiled when first needed, one per padded length. */
export class StepPrograms {
  compileSeconds = 0;
  readonly #source: StepSource;
  readonly #backend: Backend;
  readonly #state: BackendState;
  readonly #batchSize: number;
  readonly #logger: Logger;
  readonly #compiled = new Map<string, Compiled>();

  constructor(source: StepSource, backend: Backend, state: BackendState, batchSize: number, logger: Logger) {
    this.#source = source;
    this.#backend = backend;
    this.#state = state;
    this.#batchSize = batchSize;
    this.#logger = logger;
  }

  async get(kind: Kind, length: number | undefined): Promise<Compiled> {
    const key = `${kind}:${length}`;
    const found = this.#compiled.get(key);
    if (found) return found;
    const start = performance.now();
    const traced = TRACE[kind](this.#source, this.#batchSize, length);
    const program = await this.#backend.compile(traced.graph, {
      purpose: 'training',
      state: this.#state,
      updates: traced.updates,
      guard: GUARDED.has(kind) ? RESULT.guard : undefined,
      label: `${this.#source.stage}/${key}`,
    });
    const seconds = (performance.now() - start) / 1000;
    this.compileSeconds += seconds;
    this.#logger.debug(`compiled ${key}: ${traced.graph.nodes.length} nodes in ${seconds.toFixed(2)} s`);
    const compiled: Compiled = { ...traced, program };
    this.#compiled.set(key, compiled);
    return compiled;
  }

  /** What a program needs for a batch: its tensors, and what is scheduled or drawn for this step. */
  feeds(one: Compiled, batch: Batch, progress: StepProgress, seed: number, micro: number): Record<string, TensorData> {
    const feeds: Record<string, TensorData> = { ...batch.tensors, [FEED.sampleWeights]: batch.sampleWeights };
    for (const [name, schedule] of one.scalars) {
      feeds[name] = tensor('float32', [], [typeof schedule === 'number' ? schedule : schedule(progress)]);
    }
    for (const [name, input] of one.randoms) {
      feeds[name] = draw(input, seed, ['step', this.#source.stage, progress.step, micro, name]);
    }
    return feeds;
  }

  async dispose(): Promise<void> {
    for (const { program } of this.#compiled.values()) await program.dispose();
  }
}
