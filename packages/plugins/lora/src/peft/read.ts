import { AnnealError } from '@anneal/core';
import { type Graph, loadTensor, type TensorData, type TensorSource, withParameters } from '@anneal/graph';
import * as v from 'valibot';

import { insertAdapters, type PlannedAdapter, scaleOf } from '../adapters.ts';
import { type AdapterKind, KINDS } from '../kinds.ts';
import { isBelowAny, valuesByEnd } from '../patterns.ts';
import { moduleOf } from '../state.ts';
import { adaptableLayers, type TargetLayer } from '../targets.ts';
import { PREFIX } from './format.ts';
import { toFloat32, transposed } from './tensors.ts';

/** An adapter in PEFT's form. */
export interface PeftAdapter {
  /** adapter_config.json. */
  readonly config: PeftConfig;
  /** Tensors by name, as in the file. */
  readonly tensors: ReadonlyMap<string, TensorSource>;
  /** Where it came from, for messages. */
  readonly name: string;
}

/** What of adapter_config.json matters here; PEFT's defaults are filled in. */
export interface PeftConfig {
  /** Scale, before it is divided by the rank. */
  readonly lora_alpha: number;
  /** Other alphas by module. */
  readonly alpha_pattern: Readonly<Record<string, number>>;
  /** Modules that are in the file whole. */
  readonly modules_to_save: readonly string[];
  /** Divide by the root of the rank. */
  readonly use_rslora: boolean;
  /** The file has magnitudes. */
  readonly use_dora: boolean;
}

const positive = v.pipe(v.number(), v.gtValue(0));
const off = (name: string): v.GenericSchema => v.nullish(v.literal(false, `\`${name}\` is not supported`));
const none = (name: string): v.GenericSchema =>
  v.nullish(
    v.custom<unknown>(
      (value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
      `\`${name}\` is not supported`,
    ),
  );

/** Keys that change what an adapter computes are known or refused; the others (how it was trained) do not matter. */
const schema = v.object({
  // A missing key is checked like any other value.
  peft_type: v.optional(v.literal('LORA', '`peft_type` must be "LORA"'), null as unknown as 'LORA'),
  lora_alpha: v.optional(positive, 8),
  alpha_pattern: v.nullish(v.record(v.string(), positive), {}),
  modules_to_save: v.nullish(v.array(v.string()), []),
  use_rslora: v.optional(v.boolean(), false),
  use_dora: v.optional(v.boolean(), false),
  bias: v.optional(v.literal('none', '`bias` must be "none"'), 'none'),
  fan_in_fan_out: off('fan_in_fan_out'),
  lora_bias: off('lora_bias'),
  use_qalora: off('use_qalora'),
  use_bdlora: none('use_bdlora'),
  alora_invocation_tokens: none('alora_invocation_tokens'),
  arrow_config: none('arrow_config'),
  kasa_config: none('kasa_config'),
  monteclora_config: none('monteclora_config'),
  velora_config: none('velora_config'),
  layer_replication: none('layer_replication'),
  target_parameters: none('target_parameters'),
  trainable_token_indices: none('trainable_token_indices'),
  // The others change the base weights when an adapter is made, and again when it is loaded.
  init_lora_weights: v.optional(
    v.union(
      [v.boolean(), v.picklist(['gaussian', 'eva', 'orthogonal'])],
      '`init_lora_weights` must leave the base as it is (true, false, "gaussian", "eva", "orthogonal")',
    ),
  ),
});

/**
 * Reads an adapter_config.json.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when it describes something that this package does not compute.
 */
export function readPeftConfig(json: unknown, name: string): PeftConfig {
  const result = v.safeParse(schema, json);
  if (!result.success) {
    const [issue] = result.issues;
    const path = v.getDotPath(issue);
    const received = path === null ? issue.received : JSON.stringify((json as Record<string, unknown>)[path]);
    throw new AnnealError('ANNEAL_E_MODEL', `the adapter cannot be used: ${issue.message}, received ${received}`, {
      plugin: 'lora',
      file: name,
    });
  }
  const { lora_alpha, alpha_pattern, modules_to_save, use_rslora, use_dora } = result.output;
  return {
    lora_alpha,
    alpha_pattern: alpha_pattern ?? {},
    modules_to_save: modules_to_save ?? [],
    use_rslora,
    use_dora,
  };
}

/**
 * Adds a PEFT adapter to the model that it was trained on. Everything but the adapter and its modules to save is frozen.
 *
 * @param dropout Rate with which inputs of the adapters are dropped in further training.
 * @throws AnnealError `ANNEAL_E_NO_TARGET` when the model lacks a layer that the adapter has; `ANNEAL_E_SHAPE` when sizes
 * differ; `ANNEAL_E_MODEL` when the adapter is not complete.
 */
export async function attachAdapter(graph: Graph, peft: PeftAdapter, dropout: number = 0): Promise<Graph> {
  const { config, name: file } = peft;
  const tensors = await tensorsOf(peft);
  const alphas = await valuesByEnd(config.alpha_pattern, ['alpha_pattern']);
  const layers = new Map([...adaptableLayers(graph).values()].map((layer) => [`${layer.kind}:${layer.path}`, layer]));
  const planned: PlannedAdapter[] = [];
  const missing: string[] = [];
  for (const [key, found] of halvesOf(tensors)) {
    const layer = layers.get(key);
    if (layer === undefined) missing.push(found.path);
    else planned.push(planOf(peft, layer, found, alphas(layer.path) ?? config.lora_alpha));
  }
  const saved = new Map([...tensors].filter(([name]) => partOf(name) === undefined));
  for (const name of saved.keys()) if (!graph.parameters.has(name)) missing.push(name);
  if (missing.length > 0) {
    throw new AnnealError('ANNEAL_E_NO_TARGET', `the adapter is for another model: this one has no ${some(missing)}`, {
      plugin: 'lora',
      file,
      fix: 'use the base model that the adapter was trained on',
    });
  }
  if (planned.length === 0) throw refuse(peft, 'has no LoRA weights');
  const replaced = withParameters(graph, (name, parameter) => {
    const data = saved.get(name);
    if (data === undefined) return undefined;
    const value = parameter.transposed ? transposed(data) : data;
    if (value.shape.join() === parameter.data.shape.join()) return { data: value };
    throw wrongShape(peft, name, parameter.transposed ? parameter.data.shape.toReversed() : parameter.data.shape, data);
  });
  return insertAdapters(replaced, planned, {
    dropout,
    rslora: config.use_rslora,
    dora: config.use_dora,
    modulesToSave: config.modules_to_save.filter((name) =>
      [...graph.parameters.keys()].some((key) => isBelowAny(moduleOf(key), [name])),
    ),
  });
}

/** The tensors of the file without prefix, as float32; copies of frozen weights are left out. */
async function tensorsOf(peft: PeftAdapter): Promise<ReadonlyMap<string, TensorData>> {
  const tensors = new Map<string, TensorData>();
  for (const [key, source] of peft.tensors) {
    if (!key.startsWith(PREFIX)) throw refuse(peft, `has a tensor "${key}" that does not begin with "${PREFIX}"`);
    // PEFT saves embeddings that have adapters together with them, although they are as in the base model.
    if (key.includes('.base_layer.')) continue;
    const data = toFloat32(await loadTensor(source));
    if (data === undefined) throw refuse(peft, `has "${key}" as ${source.dtype}, floats are needed`);
    tensors.set(key.slice(PREFIX.length), data);
  }
  return tensors;
}

type Part = 'a' | 'b' | 'magnitude';
interface Halves extends Partial<Record<Part, TensorData>> {
  readonly path: string;
}

/** Endings of names, with the kind of adapter (`undefined`: of any) and the part that the tensor is. */
const PARTS: readonly (readonly [ending: string, kind: AdapterKind, part: Part])[] = [
  ...(Object.keys(KINDS) as AdapterKind[]).flatMap((kind) => [
    [`.${KINDS[kind].a}`, kind, 'a'] as const,
    [`.${KINDS[kind].b}`, kind, 'b'] as const,
  ]),
  ['.lora_magnitude_vector', 'linear', 'magnitude'],
];

function partOf(name: string): (typeof PARTS)[number] | undefined {
  return PARTS.find(([ending]) => name.endsWith(ending));
}

/** The tensors of each adapter, by kind and path. */
function halvesOf(tensors: ReadonlyMap<string, TensorData>): ReadonlyMap<string, Halves> {
  const halves = new Map<string, Halves>();
  for (const [name, data] of tensors) {
    const found = partOf(name);
    if (found === undefined) continue;
    const [ending, kind, part] = found;
    const path = name.slice(0, -ending.length);
    const key = `${kind}:${path}`;
    halves.set(key, { ...(halves.get(key) ?? { path }), [part]: data });
  }
  return halves;
}

function planOf(peft: PeftAdapter, layer: TargetLayer, { a, b, magnitude }: Halves, alpha: number): PlannedAdapter {
  const { path, kind, inDim, outDim } = layer;
  const { use_rslora: rslora, use_dora: dora } = peft.config;
  if (a === undefined || b === undefined || (dora && magnitude === undefined)) {
    throw refuse(peft, `lacks a part of the adapter of "${path}"`);
  }
  if (dora && kind === 'embedding') throw refuse(peft, `has DoRA on the embedding "${path}", which is not supported`);
  const r = a.shape[0] ?? 0;
  const expected: [name: string, given: TensorData, shape: readonly number[]][] = [
    [`${path}.${KINDS[kind].a}`, a, [Math.max(1, r), inDim]],
    [`${path}.${KINDS[kind].b}`, b, [outDim, Math.max(1, r)]],
    ...(dora && magnitude
      ? [[`${path}.lora_magnitude_vector`, magnitude, [outDim]] as [string, TensorData, number[]]]
      : []),
  ];
  for (const [name, given, shape] of expected) {
    if (given.shape.join() !== shape.join()) throw wrongShape(peft, name, shape, given);
  }
  return {
    adapter: { path, kind, r, alpha, scale: scaleOf(alpha, r, rslora) },
    a: transposed(a),
    b: transposed(b),
    magnitude: dora ? magnitude : undefined,
  };
}

function wrongShape(
  { name: file }: PeftAdapter,
  tensor: string,
  expected: readonly number[],
  { shape }: TensorData,
): AnnealError {
  const message = `the adapter's "${tensor}" must be [${expected.join(', ')}], received [${shape.join(', ')}]`;
  return new AnnealError('ANNEAL_E_SHAPE', message, { plugin: 'lora', file });
}

function refuse({ name: file }: PeftAdapter, message: string): AnnealError {
  return new AnnealError('ANNEAL_E_MODEL', `the adapter ${message}`, { plugin: 'lora', file });
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}
