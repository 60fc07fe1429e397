import type { Graph } from '@anneal/graph';

import type { JsonObject } from './json.ts';

/** A model: its forward graph with symbolic dimensions (`batch`, `sequence` …), and what other tools know it by. */
export interface Model {
  /**
   * The forward pass. Inputs and outputs have the names of the Hugging Face export (`input_ids`, `attention_mask`,
   * `logits`). `Dropout` nodes are the identity here and are trained with masks.
   */
  readonly graph: Graph;
  /** Hugging Face `config.json`. */
  readonly config: JsonObject;
  /** Value that pads an input along its sequence axis. @defaultValue `0` for inputs not listed */
  readonly padding: Readonly<Record<string, number>>;
}
