import { type ByteSource, canonicalize, type Graph, withParameters } from '@anneal/graph';

import { readTfjsFile } from './format/read.ts';
import type { OpenShard } from './format/weights.ts';
import type { OpRule } from './graph-model/context.ts';
import { readGraphModel, type TextInput } from './graph-model/model.ts';
import type { LayerRule } from './layers/context.ts';
import { readLayers } from './layers/model.ts';
import { type TextSteps, textSteps } from './text/steps.ts';

/** What {@link importTfjs} is told. */
export interface ImportTfjsOptions {
  /**
   * Numbers for sizes that the file leaves open, by the names that they get here: `batch` is the first axis of each input,
   * `height` and `width` are those of images, all others `sequence`.
   */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** How layers that their author defined are computed, by class name. */
  readonly customLayers?: Readonly<Record<string, LayerRule>> | undefined;
  /** How operators that are not TensorFlow's are computed, by name. */
  readonly customOps?: Readonly<Record<string, OpRule>> | undefined;
}

/** A model of TensorFlow.js as a graph. */
export interface TfjsModel {
  /** Which of the two formats the file has. */
  readonly format: 'layers-model' | 'graph-model';
  /** Inputs and outputs have the names and the axes (channels last) that they have in TensorFlow.js. */
  readonly graph: Graph;
  /** Inputs that stand for text. */
  readonly texts: readonly TextInput[];
  /** How text becomes the ids of those inputs, where that is known. */
  readonly steps: TextSteps | undefined;
  /** Class names, where the model gives them. */
  readonly labels: readonly string[] | undefined;
}

/**
 * Reads a model of TensorFlow.js, layers or operators, into a graph that trains: convolutions with their channels first,
 * linear layers as products with weights `[in, out]`, quantized weights as float32, parameters named by module.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when a file is damaged, or uses a layer or operator that is not known;
 * `ANNEAL_E_SHAPE`, `ANNEAL_E_DTYPE` and `ANNEAL_E_OP` when one does not fit its inputs.
 */
export async function importTfjs(
  source: ByteSource,
  open: OpenShard,
  options: ImportTfjsOptions = {},
): Promise<TfjsModel> {
  const file = await readTfjsFile(source, open);
  const { graph, texts, labels } =
    file.format === 'layers-model'
      ? { graph: readLayers(file, options), texts: [], labels: undefined }
      : readGraphModel(file, options);
  // What a file has as float32 and does not train, such as the statistics of a normalisation, stays as it is.
  const canonical = canonicalize(graph).graph;
  const trained = new Map([...graph.parameters].map(([name, { trainable }]) => [name, trainable]));
  return {
    format: file.format,
    graph: withParameters(canonical, (name) => ({ trainable: trained.get(name) ?? false })),
    texts,
    steps: texts.length > 0 ? textSteps(file.json) : undefined,
    labels,
  };
}
