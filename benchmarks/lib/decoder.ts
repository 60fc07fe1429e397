import { open } from 'node:fs/promises';
import { join } from 'node:path';

import type { Model, Task } from '@anneal/core';
import { byteLengthOf, crossEntropy, type LazyTensor, sizeOf, type Value, withParameters } from '@anneal/graph';
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
/** The model with random weights that lie in one file and are never all in memory here. */
export async function randomDecoder(size: DecoderSize, folder: string): Promise<Model> {
  const config = smolShape(size);
  const nowhere = { name: 'nowhere', size: 0, read: () => Promise.reject(new Error('not written yet')) };
  const specs: WeightSpec[] = [];
  const graph = buildDecoder(config, (spec) => {
    specs.push(spec);
    return { dtype: 'float32', shape: spec.shape, source: nowhere, offset: 0 } satisfies LazyTensor;
  });
  const path = join(folder, 'weights.bin');
  const offsets = await writeRandom(path, specs);
  const source = await fileSource(path);
  const placed = withParameters(graph, (name, { data }) => ({
    data: { dtype: data.dtype, shape: data.shape, source, offset: offsets.get(name) as number },
  }));
  return { graph: placed, config: {}, padding: { input_ids: 0 }, defaults: {} } as Model;
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

/** The label of what does not count. */
const IGNORED = -100;

/** Predicts the next token; `labels` are shifted by the host. */
export function nextTokenTask({ chunk }: { readonly chunk: number }): Task {
  const fail = (): never => {
    throw new Error('not used here');
  };
  return {
    kind: 'language-modeling',
    targets: { labels: { dtype: 'int64', shape: ['sequence'], pad: IGNORED } },
    encode: fail,
    evaluator: fail,
    monitor: { metric: 'loss', mode: 'min' },
    traceTargets: ({ labels }) => labels as Value,
    traceLoss: ({ logits }, targets, { ops }) => crossEntropy(ops, logits as Value, targets, { chunk }),
    traceWeight: (_features, { ops }, targets) =>
      ops.sum(ops.cast(ops.logicalNot(ops.equal(targets, IGNORED)), 'float32')),
  } as Task;
}
