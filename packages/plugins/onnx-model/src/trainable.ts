import { type Graph, withParameters } from '@anneal/graph';

/** Numbers of a module that are no weights, and what exporters computed from them (`rotary_emb.MatMul_0`, `onnx::Add_9`). */
const BUFFER = /^onnx::|(?:^|\.)(?:(?:original_)?inv_freq|running_mean|running_var|[A-Z]\w*_\d+|val_\d+)$/;

/** Marks the weights that full fine-tuning trains: all of float32 that are no buffers. */
export function withTrainable(graph: Graph): Graph {
  return withParameters(graph, (name, { data }) => ({ trainable: data.dtype === 'float32' && !BUFFER.test(name) }));
}
