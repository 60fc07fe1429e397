import { type Graph, memoryWriter, type TensorData, writeSafetensors } from '@anneal/graph';

import { parameterData } from '../adapters.ts';
import type { ResolvedOptions } from '../options.ts';
import { isBelowAny } from '../patterns.ts';
import { type Adapter, type AdapterState, adapterStateOf, adapterWeights, moduleOf } from '../state.ts';
import { ADAPTER_FILES, PREFIX } from './format.ts';
import { transposed } from './tensors.ts';

/** Task types of PEFT by kind of task. */
const TASK_TYPES: Readonly<Record<string, string>> = {
  classification: 'SEQ_CLS',
  'token-classification': 'TOKEN_CLS',
  'language-modeling': 'CAUSAL_LM',
};

/** PEFT takes these heads of classifiers to be trained in full, said or not, and looks for them in the file. */
const HEADS: Readonly<Record<string, readonly string[]>> = {
  SEQ_CLS: ['classifier', 'score'],
  TOKEN_CLS: ['classifier', 'score'],
};

/** What PEFT records of how an adapter was trained; options of `lora`. */
export type AdapterFolderOptions = Partial<Pick<ResolvedOptions, 'loraDropout' | 'initLoraWeights'>>;

/** Files of a PEFT adapter by name; `undefined` when the graph has no adapters. */
export async function adapterFolder(
  graph: Graph,
  options: AdapterFolderOptions,
  taskKind: string,
): Promise<ReadonlyMap<string, Uint8Array | string> | undefined> {
  const state = adapterStateOf(graph);
  if (state === undefined) return undefined;
  const type = TASK_TYPES[taskKind];
  const heads = type === undefined ? [] : (HEADS[type] ?? []);
  // Without a type PEFT leaves a head that has an adapter of its own alone.
  const taskType = state.adapters.some(({ path }) => isBelowAny(path, heads)) ? undefined : type;
  const modules = [...new Set([...state.modulesToSave, ...(taskType === undefined ? [] : heads)])];
  const saved = modules.filter((name) => [...graph.parameters.keys()].some((key) => isBelowAny(moduleOf(key), [name])));
  const written = { ...state, modulesToSave: saved };
  return new Map<string, Uint8Array | string>([
    [ADAPTER_FILES.config, adapterConfig(written, options, taskType)],
    [ADAPTER_FILES.weights, await adapterTensors(graph, written)],
  ]);
}

/** `adapter_config.json` as PEFT 0.21 reads it. */
function adapterConfig(
  { adapters, rslora, dora, modulesToSave }: AdapterState,
  { loraDropout = 0, initLoraWeights = true }: AdapterFolderOptions,
  taskType: string | undefined,
): string {
  const r = mostCommon(adapters.map((adapter) => adapter.r));
  const alpha = mostCommon(adapters.map((adapter) => adapter.alpha));
  const config = {
    peft_type: 'LORA',
    task_type: taskType ?? null,
    base_model_name_or_path: null,
    inference_mode: true,
    r,
    lora_alpha: alpha,
    lora_dropout: loraDropout,
    // The full paths: exact on every reader, whatever the pattern was.
    target_modules: adapters.map(({ path }) => path),
    exclude_modules: null,
    modules_to_save: modulesToSave,
    rank_pattern: byPath(adapters, 'r', r),
    alpha_pattern: byPath(adapters, 'alpha', alpha),
    use_rslora: rslora,
    use_dora: dora,
    init_lora_weights: initLoraWeights,
    bias: 'none',
    fan_in_fan_out: false,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

/** Values that differ from the usual one, by full path. */
function byPath(adapters: readonly Adapter[], key: 'r' | 'alpha', usual: number): Record<string, number> {
  const others = adapters.filter((adapter) => adapter[key] !== usual);
  return Object.fromEntries(others.map((adapter) => [adapter.path, adapter[key]]));
}

/** `adapter_model.safetensors`: A `[r, in]`, B `[out, r]`, and the modules that were trained in full. */
async function adapterTensors(graph: Graph, { adapters, modulesToSave, dora }: AdapterState): Promise<Uint8Array> {
  const tensors = new Map<string, TensorData>();
  const add = async (name: string): Promise<void> => {
    const data = await parameterData(graph, name);
    tensors.set(PREFIX + name, graph.parameters.get(name)?.transposed === true ? transposed(data) : data);
  };
  for (const adapter of adapters) {
    const { a, b, magnitude } = adapterWeights(adapter);
    for (const name of dora ? [a, b, magnitude] : [a, b]) await add(name);
  }
  for (const name of graph.parameters.keys()) if (isBelowAny(moduleOf(name), modulesToSave)) await add(name);
  const writer = memoryWriter();
  await writeSafetensors(tensors, writer, { metadata: { format: 'pt' } });
  return writer.bytes();
}
