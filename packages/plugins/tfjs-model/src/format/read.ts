import { formatError, type ByteSource } from '@anneal/graph';

import { type Json, parseJson } from './json.ts';
import { type OpenShard, readWeights, type Weights } from './weights.ts';

/** A larger model.json is none: weights are in other files. */
const MAX_JSON_BYTES = 512 * 2 ** 20;

/** A model of TensorFlow.js as its files have it. */
export interface TfjsFile {
  /** `layers-model` is Keras, `graph-model` a graph of TensorFlow's operators. */
  readonly format: 'layers-model' | 'graph-model';
  readonly json: Json;
  readonly topology: Json;
  readonly weights: Weights;
}

/**
 * Reads `model.json` and its weights.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when a file is damaged or not of this format; it names file, weight and offset.
 */
export async function readTfjsFile(source: ByteSource, open: OpenShard): Promise<TfjsFile> {
  if (source.size > MAX_JSON_BYTES) {
    throw formatError({ file: source.name }, `${source.size} bytes are more than a model.json has`);
  }
  const json = parseJson(source.name, await source.read(0, source.size));
  const topology = json.get('modelTopology');
  if (!topology.isObject) throw topology.error('is missing: this is no model.json of TensorFlow.js');
  const isGraph = topology.get('node').exists;
  const format = json.get('format').string(isGraph ? 'graph-model' : 'layers-model');
  if (format !== 'layers-model' && format !== 'graph-model') {
    throw json.get('format').error(`must be layers-model or graph-model, received "${format}"`);
  }
  return { format, json, topology, weights: await readWeights(json.get('weightsManifest'), open) };
}
