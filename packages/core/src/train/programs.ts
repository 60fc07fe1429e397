import {
  type Backend,
  type BackendState,
  type CompileOptions,
  type HostNodes,
  type Program,
  tensor,
  type TensorData,
} from '@anneal/graph';

import type { Batch } from '../data/types.ts';
import type { Logger } from '../observe/logger.ts';
import { type Diagnosis, traceDiagnosis } from './diagnosis.ts';
import { draw } from './draw.ts';
import {
  FEED,
  RESULT,
  type StepProgram,
  type StepSource,
  traceAccumulate,
  traceApply,
  traceGradientStep,
  traceNorm,
  traceStep,
} from './step-graph.ts';
import type { StepProgress } from './types.ts';

/** A traced program that is ready to run. */
export type Compiled<T extends StepProgram = StepProgram> = T & { readonly program: Program };

type Trace<T> = (source: StepSource, size: number, length: number | undefined) => T;
type Kind = 'step' | 'gradients' | 'accumulate' | 'norm' | 'apply';
const TRACE: Readonly<Record<Kind, Trace<StepProgram>>> = {
  step: traceStep,
  gradients: traceGradientStep,
  accumulate: traceAccumulate,
  norm: traceNorm,
  apply: traceApply,
};

/** Padded rows and sequence positions that a program is compiled for. */
export interface BatchShape {
  readonly size: number;
  readonly length: number | undefined;
}
/** What works on gradients alone has no batch. */
const NO_BATCH: BatchShape = { size: 0, length: undefined };

/** How a backend compiles a program of a step. */
export function compileOptions({
  graph,
  updates,
  inPlace,
}: StepProgram): Pick<CompileOptions, 'purpose' | 'updates' | 'inPlace' | 'loss'> {
  return { purpose: 'training', updates, inPlace, loss: graph.outputs.has(RESULT.loss) ? RESULT.loss : undefined };
}

/** The programs of a training step, traced and compiled when first needed, one per shape of batch. */
export class StepPrograms {
  compileSeconds = 0;
  readonly #source: StepSource;
  readonly #backend: Backend;
  readonly #state: BackendState;
  readonly #logger: Logger;
  readonly #compiled = new Map<string, Compiled>();

  constructor(source: StepSource, backend: Backend, state: BackendState, logger: Logger) {
    this.#source = source;
    this.#backend = backend;
    this.#state = state;
    this.#logger = logger;
  }

  async get(kind: Kind, { size, length }: BatchShape = NO_BATCH): Promise<Compiled> {
    const key = `${kind}:${size}×${length}`;
    const found = this.#compiled.get(key) ?? (await this.#compile(key, () => TRACE[kind](this.#source, size, length)));
    this.#compiled.set(key, found);
    return found;
  }

  /** Not kept: it is made for one error. */
  diagnosis({ size, length }: BatchShape): Promise<Compiled<Diagnosis>> {
    return this.#compile('diagnosis', () => traceDiagnosis(this.#source, size, length));
  }

  async #compile<T extends StepProgram>(key: string, trace: () => T): Promise<Compiled<T>> {
    const start = performance.now();
    const traced = trace();
    const program = await this.#backend.compile(traced.graph, {
      ...compileOptions(traced),
      state: this.#state,
      guard: traced.graph.outputs.has(RESULT.guard) ? RESULT.guard : undefined,
      label: `${this.#source.stage}/${key}`,
    });
    const seconds = (performance.now() - start) / 1000;
    this.compileSeconds += seconds;
    this.#logger.debug(`compiled ${key}: ${traced.graph.nodes.length} nodes in ${seconds.toFixed(2)} s`);
    const onHost = hostNodesText(program.hostNodes ?? []);
    if (onHost !== undefined)
      this.#logger.warn(`On ${this.#backend.info.device}, ${key} computes on the CPU: ${onHost}`);
    return { ...traced, program };
  }

  /** What a program needs for a batch: its tensors, and what is scheduled or drawn for this step. */
  feeds(
    one: StepProgram,
    batch: Batch,
    progress: StepProgress,
    seed: number,
    micro: number,
  ): Record<string, TensorData> {
    return feedsOf(one, batch, this.#source.stage, progress, seed, micro);
  }

  async dispose(): Promise<void> {
    for (const { program } of this.#compiled.values()) await program.dispose();
  }
}

/** `Less (2), Gather (1, in bert.embeddings)`: operators that a device lacks, and where they are. */
function hostNodesText(nodes: readonly HostNodes[]): string | undefined {
  if (nodes.length === 0) return undefined;
  const text = ({ op, count, modules }: HostNodes): string =>
    `${op} (${count}${modules.length > 0 ? `, in ${modules.slice(0, 2).join(', ')}${modules.length > 2 ? ' …' : ''}` : ''})`;
  return nodes.map(text).join(', ');
}

/** What a program of a stage needs for a batch. */
export function feedsOf(
  { scalars, randoms }: Pick<StepProgram, 'scalars' | 'randoms'>,
  batch: Batch,
  stage: string,
  progress: StepProgress,
  seed: number,
  micro: number,
): Record<string, TensorData> {
  const feeds: Record<string, TensorData> = { ...batch.tensors, [FEED.sampleWeights]: batch.sampleWeights };
  for (const [name, schedule] of scalars) {
    feeds[name] = tensor('float32', [], [typeof schedule === 'number' ? schedule : schedule(progress)]);
  }
  for (const [name, input] of randoms) feeds[name] = draw(input, seed, ['step', stage, progress.step, micro, name]);
  return feeds;
}
