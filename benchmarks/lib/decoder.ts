import { open } from 'node:fs/promises';
import { join } from 'node:path';

import type { Model, Task } from '@anneal/core';
import {
  byteLengthOf,
  bytesOf,
  chunkedCrossEntropy,
  type HeadProducts,
  int8InputGradient,
  int8Linears,
  int8Matrix,
  isLazy,
  type LazyTensor,
  type Ops,
  sizeOf,
  Value,
  withParameters,
} from '@anneal/graph';
import { fileSource } from '@anneal/graph/node';
import { buildDecoder, type DecoderConfig, DECODERS, type WeightSpec } from '@anneal/plugin-transformer';

export interface DecoderSize {
  readonly layers: number;
  readonly seq: number;
}

/** SmolLM2-135M: https://huggingface.co/HuggingFaceTB/SmolLM2-135M/blob/main/config.json. */
export function smolShape({ layers, seq }: DecoderSize): DecoderConfig {
  return {
    architecture: DECODERS.llama,
    shape: {
      vocabSize: 49_152,
      hiddenSize: 576,
      intermediateSize: 1536,
      numHiddenLayers: layers,
      numAttentionHeads: 9,
      numKeyValueHeads: 3,
      headDim: 64,
      maxPositionEmbeddings: seq,
      hiddenAct: 'silu',
      rmsNormEps: 1e-5,
      ropeTheta: 100_000,
      tieWordEmbeddings: true,
      attentionBias: false,
      mlpBias: false,
    },
  };
}

const ALIGNMENT = 65_536;
const TABLE = 'model.embed_tokens.weight';

/** The model up to its output layer, with random weights that lie in one file and are never all in memory here. */
export async function randomDecoder(size: DecoderSize, folder: string): Promise<Model> {
  const config = smolShape(size);
  const nowhere = { name: 'nowhere', size: 0, read: () => Promise.reject(new Error('not written yet')) };
  const specs: WeightSpec[] = [];
  const graph = buildDecoder(
    config,
    (spec) => {
      specs.push(spec);
      return { dtype: 'float32', shape: spec.shape, source: nowhere, offset: 0 } satisfies LazyTensor;
    },
    { output: 'hidden_states' },
  );
  const path = join(folder, 'weights.bin');
  const offsets = await writeRandom(path, specs);
  const source = await fileSource(path);
  const placed = withParameters(graph, (name, { data }) => ({
    data: { dtype: data.dtype, shape: data.shape, source, offset: offsets.get(name) as number },
  }));
  // The output layer is tied to the table, which the loss therefore gets as if the model gave it.
  const table = placed.parameters.get(TABLE)?.value as Value;
  return {
    graph: { ...placed, outputs: new Map([...placed.outputs, ['table', table]]) },
    config: {},
    padding: { input_ids: 0 },
    defaults: {},
  } as Model;
}

/** The frozen linear layers and the output layer in int8. */
export async function int8Model(model: Model): Promise<Model> {
  const graph = await int8Linears(model.graph);
  const table = graph.parameters.get(TABLE);
  if (table === undefined) throw new Error('the model has no table of embeddings');
  const { weight, transposed, scale } = await int8Matrix(table.data, { transposed: true });
  const [parameters, outputs] = [new Map(graph.parameters), new Map(graph.outputs)];
  for (const [name, data] of Object.entries({ weight, transposed, scale })) {
    const value = new Value(`head::${name}`, data.dtype, data.shape);
    parameters.set(value.name, { value, data, trainable: false, transposed: false });
    outputs.set(`head::${name}`, value);
  }
  return { ...model, graph: { ...graph, parameters, outputs } };
}

/** The model with what it has in memory in a file, as a model that was loaded has it. */
export async function spilled(model: Model, folder: string): Promise<Model> {
  const path = join(folder, 'more-weights.bin');
  const file = await open(path, 'wx');
  const offsets = new Map<string, number>();
  let end = 0;
  try {
    for (const [name, { data, trainable }] of model.graph.parameters) {
      if (isLazy(data) || trainable) continue;
      offsets.set(name, end);
      const bytes = bytesOf(data);
      await file.write(bytes, 0, bytes.length, end);
      end = Math.ceil((end + bytes.length) / ALIGNMENT) * ALIGNMENT;
    }
  } finally {
    await file.close();
  }
  const source = await fileSource(path);
  const graph = withParameters(model.graph, (name, { data: { dtype, shape } }) => {
    const offset = offsets.get(name);
    return offset === undefined ? undefined : { data: { dtype, shape, source, offset } };
  });
  return { ...model, graph };
}

/** The output layer in int8, when the model has it so. */
function int8Head(ops: Ops, outputs: Readonly<Record<string, Value>>): HeadProducts | undefined {
  const { table, 'head::weight': weight, 'head::transposed': transposed, 'head::scale': scale } = outputs;
  if (!table || !weight || !transposed || !scale) return undefined;
  return {
    logits: (h) => ops.int8Matmul(h, weight, scale),
    back: (p) => int8InputGradient(ops, p, transposed, scale),
    rows: (ids) => ops.take(table, ids),
  };
}

async function writeRandom(path: string, specs: readonly WeightSpec[]): Promise<Map<string, number>> {
  const offsets = new Map<string, number>();
  const file = await open(path, 'wx');
  let state = 0x9e3779b9;
  // Uniform with standard deviation 0.02, as `initializer_range` has it.
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state / 2 ** 31) * 0.02 * Math.sqrt(3);
  };
  const buffer = new Float32Array(2 ** 20);
  let end = 0;
  try {
    for (const { name, shape, init } of specs) {
      offsets.set(name, end);
      const length = sizeOf(shape);
      for (let done = 0; done < length; done += buffer.length) {
        const part = buffer.subarray(0, Math.min(buffer.length, length - done));
        if (init === 'normal') for (let i = 0; i < part.length; i++) part[i] = next();
        else part.fill(init === 'ones' ? 1 : 0);
        await file.write(new Uint8Array(part.buffer, 0, part.byteLength), 0, part.byteLength, end + 4 * done);
      }
      end = Math.ceil((end + byteLengthOf('float32', shape)) / ALIGNMENT) * ALIGNMENT;
    }
  } finally {
    await file.close();
  }
  return offsets;
}

/** Predicts the next token; `labels` are shifted by the host. */
export function nextTokenTask(options: { readonly chunk: number; readonly full: boolean }): Task {
  const fail = (): never => {
    throw new Error('not used here');
  };
  return {
    kind: 'language-modeling',
    targets: {
      labels: { dtype: 'int64', shape: ['sequence'] },
      label_weights: { dtype: 'float32', shape: ['sequence'] },
    },
    encode: fail,
    evaluator: fail,
    monitor: { metric: 'loss', mode: 'min' },
    traceTargets: ({ labels }) => labels as Value,
    traceWeight: (features, { ops }) => ops.sum(features['label_weights'] as Value),
    traceLoss: (outputs, targets, { ops, features }) => {
      const { hidden_states: hidden, table } = outputs;
      return chunkedCrossEntropy(
        ops,
        hidden as Value,
        table as Value,
        targets as Value,
        features['label_weights'] as Value,
        {
          chunk: options.chunk,
          gradients: options.full ? 'both' : 'hidden',
          products: int8Head(ops, outputs),
        },
      );
    },
  } as Task;
}
