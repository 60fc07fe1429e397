import type { GraphBuilder, TensorSource } from '@anneal/graph';

/** A weight that a layer asks for. */
export interface WeightSpec {
  /** Module path and `.weight` or `.bias`, as in the checkpoint. */
  readonly name: string;
  /** As the graph holds it. */
  readonly shape: readonly number[];
  /** The checkpoint holds it transposed. */
  readonly transposed: boolean;
  /** How it starts when there is no checkpoint. */
  readonly init: 'normal' | 'zeros' | 'ones';
}

/** Where weights come from: a generator, or a checkpoint. */
export type WeightSource = (spec: WeightSpec) => TensorSource;

/** What layers are built with. */
export interface LayerContext {
  readonly g: GraphBuilder;
  readonly weights: WeightSource;
  /** Element type of the weights. */
  readonly dtype: 'float32' | 'float64';
}
