import { type Backend, type Graph, GraphBuilder, inline, type Program, type Tensors } from '@anneal/graph';

import { chooseBuckets, collate, type FeatureSpec, lengthOf, planBatches } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { Evaluator, Task } from '../task.ts';
import { compileForward, evaluateSamples, forwardFromState, rowOf, type StateWeights } from './forward.ts';

export interface EvaluationSource {
  readonly backend: Backend;
  readonly graph: Graph;
  readonly task: Task;
  /** Of the model's inputs and the task's targets. */
  readonly specs: readonly FeatureSpec[];
  readonly batchSize: number;
  readonly maxLength: number;
  /** Weights that are in a training state. */
  readonly weights?: StateWeights | undefined;
  /** The forward pass, where it is compiled already; it is not disposed of. */
  readonly forward?: Program | undefined;
}

export interface EvaluationRun {
  readonly signal: AbortSignal;
  /** Called after every batch with the samples done. */
  readonly onBatch?: ((done: number) => void) | undefined;
}

/**
 * Feeds evaluators with what a model says of samples: its outputs, from one program for all sizes, or what the task
 * traces of them, from a program for each padded length.
 */
export class Evaluation {
  readonly #source: EvaluationSource;
  readonly #programs = new Map<string, Program>();

  constructor(source: EvaluationSource) {
    this.#source = source;
  }

  async run(samples: readonly Sample[], evaluator: Evaluator, options: EvaluationRun): Promise<void> {
    const { task, graph, specs, batchSize, backend, weights } = this.#source;
    if (task.traceEvaluation !== undefined) return this.#traced(samples, evaluator, options);
    const program =
      this.#source.forward ?? (await this.#program('forward', () => compileForward(backend, graph, weights)));
    const inputs = new Set(graph.inputs.keys());
    await evaluateSamples(program, samples, evaluator, { specs, inputs, batchSize, ...options });
  }

  async dispose(): Promise<void> {
    for (const program of this.#programs.values()) await program.dispose();
  }

  async #program(key: string, compile: () => Promise<Program>): Promise<Program> {
    const found = this.#programs.get(key) ?? (await compile());
    this.#programs.set(key, found);
    return found;
  }

  async #traced(samples: readonly Sample[], evaluator: Evaluator, { signal, onBatch }: EvaluationRun): Promise<void> {
    const { specs, batchSize, maxLength } = this.#source;
    const lengths = samples.map((sample) => lengthOf(sample, specs));
    const known = lengths.filter((length) => length !== undefined);
    const buckets = chooseBuckets(known, maxLength);
    let done = 0;
    for (const { indices, length } of planBatches(lengths, { batchSize, buckets, rng: undefined })) {
      signal.throwIfAborted();
      const rows = indices.map((i) => samples[i] as Sample);
      const batch = collate(rows, specs, { size: batchSize, length });
      const program = await this.#program(`${batch.length}`, () => this.#compile(batch.length));
      evaluator.update(batch.rows, withoutPadding(await program.run(batch.tensors), rows.length));
      done += rows.length;
      onBatch?.(done);
    }
  }

  #compile(length: number | undefined): Promise<Program> {
    const { backend, graph, weights } = this.#source;
    const forward = weights === undefined ? graph : forwardFromState(graph, weights.entries);
    return backend.compile(traceEvaluation(forward, this.#source, length), {
      purpose: 'inference',
      state: weights?.state,
      label: `${graph.name}/evaluation:${length}`,
    });
  }
}

/** Keeps names of outputs apart from those of inputs: ONNX has one name per value. */
const OUTPUT = 'evaluation:';

/** The model with what the task evaluates of its outputs. */
function traceEvaluation(
  forward: Graph,
  { graph, task, specs, batchSize }: EvaluationSource,
  length: number | undefined,
): Graph {
  const g = new GraphBuilder();
  const features = Object.fromEntries(
    specs.map(({ name, dtype, shape }) => {
      const dims = shape.map((dim) => (dim === 'sequence' ? (length ?? 0) : dim));
      return [name, g.input(name, dtype, [batchSize, ...dims])];
    }),
  );
  const dims: Record<string, number> = { batch: batchSize };
  for (const { shape } of graph.inputs.values()) {
    for (const dim of shape.slice(1)) if (typeof dim === 'string' && length !== undefined) dims[dim] = length;
  }
  const outputs = inline(g, forward, { inputs: features, dims });
  const traced = task.traceEvaluation?.(outputs, { ops: g.ops, features }) ?? outputs;
  for (const [name, value] of Object.entries(traced)) {
    if (value.shape[0] !== batchSize) {
      throw new AnnealError(
        'ANNEAL_E_SHAPE',
        `\`traceEvaluation\` must keep the batch as the first axis, received "${name}" of [${value.shape.join(', ')}]`,
      );
    }
    // A feature that is passed on as it is needs a value of its own: no input can be an output.
    g.output(OUTPUT + name, Object.values(features).includes(value) ? g.ops.identity(value) : value);
  }
  return g.build({ name: `${graph.name}/evaluation` });
}

/** Outputs of the first `rows` rows, under the names that the task gave them. */
function withoutPadding(outputs: Tensors, rows: number): Tensors {
  return Object.fromEntries(
    Object.entries(outputs).map(([key, output]) => {
      const name = key.slice(OUTPUT.length);
      const [first] = output.shape;
      if (first === rows) return [name, output];
      const size = rowOf(output, 0).data.length;
      return [name, { ...output, shape: [rows, ...output.shape.slice(1)], data: output.data.slice(0, rows * size) }];
    }),
  );
}
