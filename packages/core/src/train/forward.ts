import {
  type Backend,
  type BackendState,
  type Graph,
  GraphBuilder,
  inline,
  type Program,
  sizeOf,
  type TensorData,
  type Tensors,
} from '@anneal/graph';

import { collate, type FeatureSpec, planBatches, lengthOf } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import type { Evaluator } from '../task.ts';

/** Weights that live in a training state. */
export interface StateWeights {
  readonly state: BackendState;
  /** Name of the state entry of each trained parameter. */
  readonly entries: ReadonlyMap<string, string>;
}

/** The forward pass with the trained parameters read from the training state instead of the graph. */
export function forwardFromState(graph: Graph, entries: StateWeights['entries']): Graph {
  const g = new GraphBuilder();
  const outputs = inline(g, graph, {
    parameter: (name, { data }) => {
      const entry = entries.get(name);
      return entry === undefined ? undefined : g.input(entry, data.dtype, data.shape);
    },
  });
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  return g.build({ name: `${graph.name}/forward`, opsets: graph.opsets });
}

/** A compiled forward pass that takes padded batches of any size. */
export async function compileForward(backend: Backend, graph: Graph, weights?: StateWeights): Promise<Program> {
  if (weights === undefined) return backend.compile(graph, { purpose: 'inference', label: graph.name });
  return backend.compile(forwardFromState(graph, weights.entries), {
    purpose: 'inference',
    state: weights.state,
    label: `${graph.name}/forward`,
  });
}

export interface PredictOptions {
  readonly specs: readonly FeatureSpec[];
  /** Names of the model's inputs: targets are not fed. */
  readonly inputs: ReadonlySet<string>;
  readonly batchSize: number;
  readonly signal: AbortSignal;
  /** Called after every batch with the rows done. */
  readonly onBatch?: ((done: number) => void) | undefined;
}

/**
 * Runs samples through a program, rows of similar length together, and hands each batch's outputs without padding rows
 * to `use`, with the indices of its samples.
 */
export async function forEachBatch(
  program: Program,
  samples: readonly Sample[],
  options: PredictOptions,
  use: (indices: readonly number[], outputs: Tensors) => void,
): Promise<void> {
  const { specs, inputs, batchSize, signal, onBatch } = options;
  const lengths = samples.map((sample) => lengthOf(sample, specs));
  const order = samples.map((_, i) => i).toSorted((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const sorted = planBatches(
    order.map(() => undefined),
    { batchSize, buckets: [], rng: undefined },
  );
  let done = 0;
  for (const plan of sorted) {
    signal.throwIfAborted();
    const indices = plan.indices.map((i) => order[i] as number);
    const batch = collate(
      indices.map((i) => samples[i] as Sample),
      specs,
    );
    const feeds = Object.fromEntries(Object.entries(batch.tensors).filter(([name]) => inputs.has(name)));
    use(indices, await program.run(feeds));
    done += indices.length;
    onBatch?.(done);
  }
}

/** Feeds an evaluator with a split's predictions. */
export async function evaluateSamples(
  program: Program,
  samples: readonly Sample[],
  evaluator: Evaluator,
  options: PredictOptions,
): Promise<void> {
  await forEachBatch(program, samples, options, (indices, outputs) => {
    evaluator.update(
      indices.map((i) => (samples[i] as Sample).row),
      outputs,
    );
  });
}

/** One row's part of a batched output. */
export function rowOf(output: TensorData, row: number): TensorData {
  const shape = output.shape.slice(1);
  const size = sizeOf(shape);
  return { dtype: output.dtype, shape, data: output.data.slice(row * size, (row + 1) * size) };
}
