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
  /** Inputs that samples may lack, with the value that fills them. */
  readonly defaults?: Readonly<Record<string, number>> | undefined;
  /**
   * How the weights differ from the full-precision model: the suffix of its file, as transformers.js names them
   * (`quantized` → `onnx/model_quantized.onnx`, `q4`, `fp16`). Set by compress plugins.
   */
  readonly variant?: string | undefined;
}
