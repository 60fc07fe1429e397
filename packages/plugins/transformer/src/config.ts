import { AnnealError, type JsonObject, type JsonValue, suggest } from '@anneal/core';

import { type Architecture, ARCHITECTURES, DEFAULT_SHAPE, type TransformerShape } from './architectures.ts';
import { ACTIVATIONS } from './layers/basic.ts';
import type { Pooling } from './layers/heads.ts';

/** What config.json says of a classifier. */
export interface ClassifierConfig {
  /** Its family. */
  readonly architecture: Architecture;
  /** Its sizes. */
  readonly shape: TransformerShape;
  /** The vector that is classified. */
  readonly pooling: Pooling;
  /** Class names by index. */
  readonly labels: readonly string[];
}

/** Hugging Face config.json. `pooling` is our own key, written only where it differs from what the class does. */
export function toConfig({ architecture, shape, pooling, labels }: ClassifierConfig): JsonObject {
  const sizes = Object.entries(architecture.configKeys).map(([key, name]): [string, JsonValue] => [
    name,
    shape[key as keyof TransformerShape],
  ]);
  return {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    problem_type: 'single_label_classification',
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
    ...Object.fromEntries(sizes),
    ...(pooling === 'cls' ? {} : { pooling }),
    torch_dtype: 'float32',
  };
}

/** Keys whose value is a size, i.e. an integer of at least 1. */
const SIZES = [
  'vocabSize',
  'hiddenSize',
  'numHiddenLayers',
  'numAttentionHeads',
  'intermediateSize',
  'maxPositionEmbeddings',
  'typeVocabSize',
] as const satisfies readonly (keyof TransformerShape)[];

/**
 * Reads a config.json.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when it describes something that this package does not build.
 */
export function fromConfig(json: JsonObject, file: string): ClassifierConfig {
  const refuse = (message: string, fix?: string): AnnealError =>
    new AnnealError('ANNEAL_E_MODEL', message, { file, fix });
  const type = json['model_type'];
  if (typeof type !== 'string' || !Object.hasOwn(ARCHITECTURES, type)) {
    throw refuse(`\`model_type\` must be ${oneOf(Object.keys(ARCHITECTURES), type)}, received ${JSON.stringify(type)}`);
  }
  const architecture = ARCHITECTURES[type as keyof typeof ARCHITECTURES];
  const shape: Record<string, string | number> = {};
  const defaults: TransformerShape = { ...DEFAULT_SHAPE, ...architecture.defaults };
  for (const [key, fallback] of Object.entries(defaults) as [keyof TransformerShape, string | number][]) {
    const name = architecture.configKeys[key];
    const given = name === undefined ? undefined : json[name];
    const value = given ?? (key === 'classifierDropout' ? classifierDropout(shape, architecture) : fallback);
    if (typeof value !== typeof fallback) {
      throw refuse(`\`${name}\` must be a ${typeof fallback}, received ${JSON.stringify(value)}`);
    }
    shape[key] = value as string | number;
  }
  for (const key of SIZES) {
    if (!Number.isInteger(shape[key]) || (shape[key] as number) < 1) {
      throw refuse(`\`${architecture.configKeys[key]}\` must be an integer of at least 1, received ${shape[key]}`);
    }
  }
  const position = json['position_embedding_type'] ?? 'absolute';
  if (position !== 'absolute') {
    throw refuse(`\`position_embedding_type\` must be "absolute", received ${JSON.stringify(position)}`);
  }
  const config = { architecture, shape: shape as unknown as TransformerShape, pooling: poolingOf(json, refuse) };
  checkShape(config.shape, refuse);
  return { ...config, labels: labelsOf(json, refuse) };
}

/** Where a family does not say: as the other dropout. */
function classifierDropout(shape: Readonly<Record<string, string | number>>, { defaults }: Architecture): number {
  return defaults.classifierDropout ?? (shape['hiddenDropoutProb'] as number);
}

type Refuse = (message: string, fix?: string) => AnnealError;

/** What no table of types can say. @throws what `refuse` makes */
export function checkShape(shape: TransformerShape, refuse: Refuse): void {
  const { hiddenSize, numAttentionHeads, hiddenAct, vocabSize, padTokenId } = shape;
  if (hiddenSize % numAttentionHeads !== 0) {
    throw refuse(
      `hidden size ${hiddenSize} is not divisible by ${numAttentionHeads} attention heads`,
      `use ${nearestDivisor(hiddenSize, numAttentionHeads)} heads`,
    );
  }
  if (!Object.hasOwn(ACTIVATIONS, hiddenAct)) {
    throw refuse(`the activation must be ${oneOf(Object.keys(ACTIVATIONS), hiddenAct)}, received "${hiddenAct}"`);
  }
  if (!Number.isInteger(padTokenId) || padTokenId < 0 || padTokenId >= vocabSize) {
    throw refuse(`the padding token ${padTokenId} is not in a vocabulary of ${vocabSize}`);
  }
}

/** `one of "a", "b" (did you mean "a"?)`. */
export function oneOf(names: readonly string[], given: unknown): string {
  const near = typeof given === 'string' ? suggest(given, names) : undefined;
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return `one of ${names.map((name) => `"${name}"`).join(', ')}${hint}`;
}

function nearestDivisor(size: number, wanted: number): number {
  for (let distance = 0; distance < size; distance++) {
    for (const heads of [wanted - distance, wanted + distance]) if (heads > 0 && size % heads === 0) return heads;
  }
  return 1;
}

function poolingOf(json: JsonObject, refuse: Refuse): Pooling {
  const pooling = json['pooling'] ?? 'cls';
  if (pooling !== 'cls' && pooling !== 'mean') {
    throw refuse(`\`pooling\` must be "cls" or "mean", received ${JSON.stringify(pooling)}`);
  }
  return pooling;
}

/** `id2label`, or as many `LABEL_<i>` as `num_labels` says. */
function labelsOf(json: JsonObject, refuse: Refuse): readonly string[] {
  const map = json['id2label'];
  if (map === undefined || map === null) {
    const count = json['num_labels'] ?? 2;
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > 1e6) {
      throw refuse(`\`num_labels\` must be an integer of at least 1, received ${JSON.stringify(count)}`);
    }
    return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  }
  const entries = typeof map === 'object' ? Object.entries(map) : [];
  const labels = entries.map((_, id) => (map as JsonObject)[String(id)]);
  if (labels.length === 0 || labels.some((label) => typeof label !== 'string')) {
    throw refuse('`id2label` must map "0", "1", … to names', 'number the classes from 0 without a gap');
  }
  return labels as readonly string[];
}
