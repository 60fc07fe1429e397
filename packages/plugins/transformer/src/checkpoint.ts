import { AnnealError, type JsonObject, type Model } from '@anneal/core';
import {
  type ByteSource,
  decodeFloat,
  DTYPES,
  isSmallFloat,
  type LazyTensor,
  loadTensor,
  sizeOf,
  tensor,
  type TensorData,
  type TensorSource,
  withParameters,
} from '@anneal/graph';

import { type ClassifierConfig, fromConfig } from './config.ts';
import { decoderConfig } from './decoders.ts';
import { initialWeights } from './initialize.ts';
import type { WeightSource, WeightSpec } from './layers/context.ts';
import { createDecoder, createModel } from './model.ts';

/** A checkpoint in Hugging Face's form. */
export interface Checkpoint {
  /** config.json. */
  readonly config: JsonObject;
  /** Tensors by name, as in PyTorch. */
  readonly tensors: ReadonlyMap<string, TensorSource>;
  /** Where it came from, for messages. */
  readonly name: string;
}

/** How a checkpoint becomes a model. */
export interface FromCheckpointOptions {
  /** Changes to what config.json says: dropout rates, classes. */
  readonly override?: ((config: ClassifierConfig) => ClassifierConfig) | undefined;
  /** Seed of what the checkpoint does not have. @defaultValue `0` */
  readonly seed?: number | undefined;
  /** Start the classifier anew, although the checkpoint has one. @defaultValue `false` */
  readonly newClassifier?: boolean | undefined;
  /** Hears which weights start anew. */
  readonly onMissing?: ((names: readonly string[]) => void) | undefined;
}

/** Stands in for weights until it is known which ones the model has. */
const NOTHING: ByteSource = {
  name: 'nothing',
  size: 0,
  read: () => Promise.reject(new Error('this weight was not replaced')),
};

/**
 * A model with the weights of a checkpoint. A pooler or classifier that the checkpoint does not have, as one that was
 * only pretrained, starts anew. Weights become float32.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when config.json describes something that is not built, or a weight is missing
 * or of another shape.
 */
export async function fromCheckpoint(checkpoint: Checkpoint, options: FromCheckpointOptions = {}): Promise<Model> {
  const { override = (config) => config, seed = 0, newClassifier = false, onMissing } = options;
  const config = override(fromConfig(checkpoint.config, checkpoint.name));
  const { architecture, shape } = config;
  const { classifier, pooler } = architecture;
  return filled(checkpoint, shape.numHiddenLayers, (weights) => createModel(config, weights), {
    fresh: initialWeights(shape, seed, architecture.embeddings.word),
    isNew: (name) => newClassifier && name.startsWith(`${classifier}.`),
    isOptional: (name) => name.startsWith(`${classifier}.`) || name.startsWith(`${pooler.path}.`),
    onMissing,
  });
}

/**
 * A causal language model with the weights of a checkpoint, which become float32.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when config.json describes something that is not built, or a weight is missing
 * or of another shape.
 */
export async function decoderFromCheckpoint(checkpoint: Checkpoint): Promise<Model> {
  const config = decoderConfig(checkpoint.config, checkpoint.name);
  return filled(checkpoint, config.shape.numHiddenLayers, (weights) => createDecoder(config, weights), {});
}

interface FillOptions {
  /** Weights that the checkpoint may lack. */
  readonly isOptional?: ((name: string) => boolean) | undefined;
  /** Weights that are not taken from it. */
  readonly isNew?: ((name: string) => boolean) | undefined;
  /** What they start as. */
  readonly fresh?: WeightSource | undefined;
  readonly onMissing?: ((names: readonly string[]) => void) | undefined;
}

/** Builds a model and gives it the weights of a checkpoint. */
async function filled(
  checkpoint: Checkpoint,
  layers: number,
  create: (weights: WeightSource) => Model,
  { isOptional, isNew, fresh, onMissing }: FillOptions,
): Promise<Model> {
  // Every layer has weights of its own: this bounds the work before any of it is done.
  if (layers > checkpoint.tensors.size) {
    throw refuse(checkpoint, `has ${checkpoint.tensors.size} tensors, too few for ${layers} layers`);
  }
  const specs = new Map<string, WeightSpec>();
  const model = create((spec) => {
    specs.set(spec.name, spec);
    return { dtype: 'float32', shape: spec.shape, source: NOTHING, offset: 0 } satisfies LazyTensor;
  });
  const missing: string[] = [];
  const weights = new Map<string, TensorSource>();
  for (const spec of specs.values()) {
    const found = isNew?.(spec.name) ? undefined : find(checkpoint.tensors, spec.name);
    if (found !== undefined) weights.set(spec.name, await adapt(checkpoint, spec, found));
    else if (fresh !== undefined && isOptional?.(spec.name)) {
      missing.push(spec.name);
      weights.set(spec.name, fresh(spec));
    } else {
      const names = [...checkpoint.tensors.keys()].slice(0, 3).map((name) => `"${name}"`);
      throw refuse(checkpoint, `has no weight "${spec.name}", received ${names.join(', ')} …`);
    }
  }
  if (missing.length > 0) onMissing?.(missing);
  const graph = withParameters(model.graph, (name) => ({ data: weights.get(name) as TensorSource }));
  return { ...model, graph };
}

function refuse({ name }: Checkpoint, message: string): AnnealError {
  return new AnnealError('ANNEAL_E_MODEL', `the checkpoint ${message}`, { file: name });
}

/** Names that the same weight has in older checkpoints, and in those of the encoder alone. */
const ALIASES: readonly (readonly [RegExp, string])[] = [
  [/LayerNorm\.weight$/, 'LayerNorm.gamma'],
  [/LayerNorm\.bias$/, 'LayerNorm.beta'],
];

function find(tensors: ReadonlyMap<string, TensorSource>, name: string): TensorSource | undefined {
  const names = [name, ...ALIASES.flatMap(([from, to]) => (from.test(name) ? [name.replace(from, to)] : []))];
  for (const candidate of names) {
    const found = tensors.get(candidate) ?? tensors.get(candidate.slice(candidate.indexOf('.') + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A tensor as the graph holds it: float32, and transposed where PyTorch has `[out, in]`. */
async function adapt(checkpoint: Checkpoint, spec: WeightSpec, found: TensorSource): Promise<TensorSource> {
  const wanted = spec.transposed ? spec.shape.toReversed() : spec.shape;
  if (found.shape.join() !== wanted.join()) {
    throw refuse(checkpoint, `has "${spec.name}" of shape [${found.shape}], config.json says [${wanted}]`);
  }
  if (!spec.transposed && found.dtype === 'float32') return found;
  const data = toFloat32(await loadTensor(found));
  if (data === undefined) throw refuse(checkpoint, `has "${spec.name}" as ${found.dtype}, floats are needed`);
  return spec.transposed ? transposed(data) : data;
}

function toFloat32({ dtype, shape, data }: TensorData): TensorData | undefined {
  if (DTYPES[dtype].kind !== 'float' || DTYPES[dtype].bits < 8) return undefined;
  if (dtype === 'float32') return { dtype, shape, data };
  const out = new Float32Array(sizeOf(shape));
  for (let i = 0; i < out.length; i++) {
    const item = data[i] as number;
    out[i] = isSmallFloat(dtype) ? decodeFloat(item, dtype) : item;
  }
  return tensor('float32', shape, out);
}

/** A matrix with rows and columns swapped. */
function transposed({ dtype, shape, data }: TensorData): TensorData {
  const [rows, columns] = shape as [number, number];
  const out = data.slice() as unknown as { [index: number]: number | bigint };
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j] as number | bigint;
  }
  return { dtype, shape: [columns, rows], data: out as unknown as TensorData['data'] };
}

/** The weights as PyTorch names and arranges them: what belongs into model.safetensors, beside `model.config`. */
export async function checkpointTensors(model: Model): Promise<Map<string, TensorSource>> {
  const tensors = new Map<string, TensorSource>();
  for (const [name, parameter] of model.graph.parameters) {
    tensors.set(name, parameter.transposed ? transposed(await loadTensor(parameter.data)) : parameter.data);
  }
  return tensors;
}
