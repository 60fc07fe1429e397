import { type Graph, loadTensor, memoryWriter, tensor, type TensorData, writeSafetensors } from '@anneal/graph';

import { adaptersOf, adapterWeights } from './adapters.ts';
import type { ResolvedOptions } from './options.ts';
import { endsWithAny } from './targets.ts';

/** PEFT prefixes the module paths of the base model. */
const PREFIX = 'base_model.model.';

/** Task types of PEFT by kind of task. */
const TASK_TYPES: Readonly<Record<string, string>> = {
  classification: 'SEQ_CLS',
  'token-classification': 'TOKEN_CLS',
  'language-modeling': 'CAUSAL_LM',
};

/** `adapter_config.json` as PEFT 0.21 reads it. */
export function adapterConfig(graph: Graph, options: ResolvedOptions, taskKind: string): string {
  const adapters = adaptersOf(graph);
  const config = {
    peft_type: 'LORA',
    task_type: TASK_TYPES[taskKind] ?? null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: options.r,
    lora_alpha: options.loraAlpha,
    lora_dropout: options.loraDropout,
    // The full paths: exact on every reader, whatever the pattern was.
    target_modules: adapters.map(({ path }) => path),
    exclude_modules: null,
    modules_to_save: options.modulesToSave,
    rank_pattern: Object.fromEntries(adapters.filter(({ r }) => r !== options.r).map(({ path, r }) => [path, r])),
    alpha_pattern: Object.fromEntries(
      adapters.filter(({ alpha }) => alpha !== options.loraAlpha).map(({ path, alpha }) => [path, alpha]),
    ),
    use_rslora: options.useRslora,
    use_dora: false,
    init_lora_weights: options.initLoraWeights,
    bias: 'none',
    fan_in_fan_out: false,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** `adapter_model.safetensors`: A `[r, in]`, B `[out, r]`, and the modules that were trained in full. */
export async function adapterTensors(graph: Graph, options: ResolvedOptions): Promise<Uint8Array> {
  const tensors = new Map<string, TensorData>();
  for (const adapter of adaptersOf(graph)) {
    for (const name of Object.values(adapterWeights(adapter)))
      tensors.set(PREFIX + name, await checkpointTensor(graph, name));
  }
  for (const name of graph.parameters.keys()) {
    if (!endsWithAny(name.replace(/\.(weight|bias)$/, ''), options.modulesToSave)) continue;
    tensors.set(PREFIX + name, await checkpointTensor(graph, name));
  }
  const writer = memoryWriter();
  await writeSafetensors(tensors, writer, { metadata: { format: 'pt' } });
  return writer.bytes();
}

/** A parameter as checkpoints hold it: linear weights `[out, in]`. */
async function checkpointTensor(graph: Graph, name: string): Promise<TensorData> {
  const parameter = graph.parameters.get(name);
  if (parameter === undefined) throw new Error(`the graph has no parameter "${name}"`);
  const data = await loadTensor(parameter.data);
  if (!parameter.transposed) return data;
  const [rows, cols] = data.shape as [number, number];
  const out = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = Number(data.data[i * cols + j]);
  return tensor('float32', [cols, rows], out);
}
