import type { TensorData } from '@anneal/graph';

/** Everything that a training run needs to go on: the host's progress, the backend's state, the best weights so far. */
export interface Checkpoint<P> {
  readonly progress: P;
  readonly state: Readonly<Record<string, TensorData>>;
  readonly best: Readonly<Record<string, TensorData>> | undefined;
}

/** Where one training run keeps its checkpoint; writes are atomic. */
export interface CheckpointStore {
  read<P>(): Promise<Checkpoint<P> | undefined>;
  write<P>(checkpoint: Checkpoint<P>): Promise<void>;
  remove(): Promise<void>;
}
