import type { JsonObject, JsonValue } from '@anneal/core';

/** Class names of a config.json by index; `undefined` when it has none. */
export function labelsOf(config: JsonObject): readonly string[] | undefined {
  const map = config['id2label'];
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return undefined;
  const entries = Object.entries(map).toSorted(([a], [b]) => Number(a) - Number(b));
  return entries.map(([, label]) => (typeof label === 'string' ? label : JSON.stringify(label)));
}

/** The config.json of a classifier of these classes. */
export function withLabels(config: JsonObject, labels: readonly string[]): JsonObject {
  return {
    ...config,
    num_labels: undefined,
    architectures: architecturesOf(config['architectures']),
    problem_type: 'single_label_classification',
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}

/** `BertModel` with a head is `BertForSequenceClassification`. */
function architecturesOf(given: JsonValue | undefined): JsonValue {
  const names = Array.isArray(given) ? given : [];
  return names.map((name) => (typeof name === 'string' ? name.replace(/Model$/, 'ForSequenceClassification') : name));
}

/** Sizes of images by the names that optimum gives them. */
export function imageDims({ num_channels: channels, image_size: size }: JsonObject): Record<string, number> {
  const dims: Record<string, number> = {};
  if (typeof channels === 'number') dims['num_channels'] = channels;
  const [height, width] = Array.isArray(size) ? size : [size, size];
  if (typeof height === 'number') dims['height'] = height;
  if (typeof width === 'number') dims['width'] = width;
  return dims;
}

/** config.json with the longest sequence where everyone looks for it: GPT-2 calls it `n_positions`. */
export function withLength(config: JsonObject): JsonObject {
  const { max_position_embeddings: known, n_positions: length } = config;
  return known === undefined && typeof length === 'number' ? { ...config, max_position_embeddings: length } : config;
}
