import {
  Artifacts,
  createLogger,
  type LogEntry,
  type Model,
  type Run,
  type Task,
  type TrainConfig,
  type TrainContext,
  type TrainPoint,
  type TrainReport,
} from '@anneal/core';
import type { Metrics, Row, Sample } from '@anneal/core';
import { type Backend, referenceBackend, type TensorData } from '@anneal/graph';

import { featureSpecs } from '../../src/data/batches.ts';
import { HookRegistry } from '../../src/hooks/create.ts';
import type { Checkpoint, CheckpointStore } from '../../src/train/checkpoint.ts';
import { train } from '../../src/train/engine.ts';
import { builtinOptimizer } from '../../src/train/optimizers.ts';
import { trainedParameters } from '../../src/train/parameters.ts';
import { mlpModel, points, task as classes } from './problem.ts';

/** A checkpoint store in memory that keeps what a file would: JSON and copies. */
export function memoryStore(): CheckpointStore & { readonly writes: number } {
  let held: string | undefined;
  let tensors: Checkpoint<unknown> | undefined;
  const copies = (named: Readonly<Record<string, TensorData>> | undefined) =>
    named &&
    Object.fromEntries(Object.entries(named).map(([name, value]) => [name, { ...value, data: value.data.slice() }]));
  const store = {
    writes: 0,
    read: async <P>(): Promise<Checkpoint<P> | undefined> =>
      held === undefined
        ? undefined
        : { progress: JSON.parse(held) as P, state: copies(tensors!.state)!, best: copies(tensors!.best) },
    write: async <P>(checkpoint: Checkpoint<P>): Promise<void> => {
      store.writes++;
      held = JSON.stringify(checkpoint.progress);
      tensors = { progress: undefined, state: copies(checkpoint.state)!, best: copies(checkpoint.best) };
    },
    remove: async (): Promise<void> => {
      held = undefined;
    },
  };
  return store;
}

export interface TrainOptions {
  readonly config?: TrainConfig | undefined;
  readonly model?: Model | undefined;
  readonly task?: Task | undefined;
  readonly rows?: readonly Row[] | undefined;
  readonly validation?: readonly Row[] | undefined;
  /** Turns a row into the features of the model. */
  readonly encode?: ((row: Row) => Sample['features']) | undefined;
  readonly maxLength?: number | undefined;
  readonly microBatchSize?: number | undefined;
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly checkpoints?: CheckpointStore | undefined;
  readonly trainable?: readonly string[] | undefined;
  readonly backend?: Backend | undefined;
  readonly registry?: HookRegistry | undefined;
  readonly onStep?: ((point: TrainPoint) => void) | undefined;
  readonly onMetrics?: ((metrics: Metrics) => void) | undefined;
}

export interface Trained {
  readonly model: Model;
  readonly report: TrainReport;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly logs: readonly LogEntry[];
}

/** The training engine alone, without pipeline, cache and files. */
export async function trainTiny(options: TrainOptions = {}): Promise<Trained> {
  const { config = {}, model = mlpModel(), task = classes, rows = points(18, 1), validation = [] } = options;
  const { encode = (row: Row) => ({ x: row['x'] as number[] }), maxLength = 64, seed = 0 } = options;
  const { signal = new AbortController().signal, checkpoints = memoryStore(), backend = referenceBackend() } = options;
  const logs: LogEntry[] = [];
  const ctx: TrainContext = {
    run: { id: 'test', seed, signal, artifacts: new Artifacts() } as unknown as Run,
    stage: 'main',
    root: '/',
    seed,
    logger: createLogger((entry) => logs.push(entry)),
    signal,
    progress: () => ({ update: () => undefined, done: () => undefined }),
    backend: () => Promise.resolve(backend),
    dataset: {
      splits: { train: rows, validation, test: [] },
      report: { rowsIn: 0, dropped: {}, samples: [], splits: {} },
    },
    task,
    config,
    model,
  };
  const { hooks } = options.registry ?? new HookRegistry();
  const { name, ...rest } =
    typeof config.optimizer === 'object' ? config.optimizer : { name: config.optimizer ?? 'adamw' };
  const encoded = (row: Row): Sample => task.encode({ row, features: encode(row) });
  const result = await train({
    ctx,
    hooks,
    task,
    optimizer: builtinOptimizer(name, rest as Record<string, number>)!,
    specs: featureSpecs(model, task),
    ...trainedParameters(ctx, hooks),
    ...(options.trainable && { trainable: new Set(options.trainable) }),
    samples: rows.map(encoded),
    validation: validation.map(encoded),
    maxLength,
    microBatchSize: options.microBatchSize,
    evaluationBatchSize: 4,
    checkpoints,
    onStep: options.onStep ?? (() => undefined),
    onMetrics: options.onMetrics ?? (() => undefined),
  });
  return { ...result, weights: weightsOf(result.model), logs };
}

export function weightsOf({ graph }: Model): Record<string, readonly number[]> {
  return Object.fromEntries(
    [...graph.parameters].map(([name, { data }]) => [name, Array.from((data as TensorData).data, Number)]),
  );
}

/** The largest absolute difference of two sets of weights. */
export function distance(a: Trained['weights'], b: Trained['weights']): number {
  return Math.max(...Object.entries(a).flatMap(([name, values]) => values.map((x, i) => Math.abs(x - b[name]![i]!))));
}
