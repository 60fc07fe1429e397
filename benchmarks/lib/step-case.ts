import type { Model } from '@anneal/core';
import {
  int8Layers,
  int8Linears,
  sizeOf,
  tensor,
  type TensorData,
  type TensorSource,
  type TensorSpec,
  type Value,
  withParameters,
} from '@anneal/graph';

import { FEED, type StepProgram, type StepSource, traceStep } from '../../packages/core/src/train/step-graph.ts';
import { nextTokenTask, randomDecoder } from './decoder.ts';
import { encoderModel, encoderTask } from './encoder.ts';
import { withLora } from './lora.ts';
import { adamwSource, initialState } from './source.ts';

/** A training step to measure. */
export interface StepCase {
  /** `encoder`: BERT, hidden 256; `lora`, `full`: SmolLM2-135M's shape. */
  readonly model: 'encoder' | 'lora' | 'full';
  readonly layers: number;
  readonly batch: number;
  readonly seq: number;
  readonly int8?: boolean | undefined;
  readonly recompute?: boolean | undefined;
}

export interface PreparedStep {
  readonly source: StepSource;
  readonly step: StepProgram;
  readonly state: Record<string, TensorSource>;
  /** Entries that are zero at first. */
  readonly empty: Record<string, TensorSpec>;
  readonly feeds: Record<string, TensorData>;
}

async function modelOf({ model, layers, seq, int8 }: StepCase, folder: string): Promise<Model> {
  if (model === 'encoder') {
    const encoder = encoderModel({ hidden: 256, layers, heads: 4, vocab: 8000, seq });
    return { ...encoder, graph: withParameters(encoder.graph, () => ({ trainable: true })) };
  }
  const base = await randomDecoder({ layers, seq }, folder);
  if (model === 'full') return { ...base, graph: withParameters(base.graph, () => ({ trainable: true })) };
  const adapted = await withLora(base);
  return int8 ? { ...adapted, graph: int8Linears(adapted.graph, await int8Layers(adapted.graph)) } : adapted;
}

/** Traces the step of a case and makes what it is fed. Weights of a decoder are written to `folder`. */
export async function prepareStep(one: StepCase, folder: string): Promise<PreparedStep> {
  const { batch, seq } = one;
  const model = await modelOf(one, folder);
  const task = one.model === 'encoder' ? encoderTask(2) : nextTokenTask({ chunk: 256 });
  const source = adamwSource(model, task, { recompute: one.recompute });
  const step = traceStep(source, batch, seq);
  const { tensors: state, empty } = initialState(source, false);
  const entries = { ...state, ...empty };
  const feeds: Record<string, TensorData> = {};
  for (const [name, value] of step.graph.inputs) if (!Object.hasOwn(entries, name)) feeds[name] = feedOf(name, value);
  return { source, step, state, empty, feeds };
}

/** Ones for weights and masks, small numbers for ids: what memory a step takes does not depend on them. */
function feedOf(name: string, { dtype, dims }: Value): TensorData {
  if (name === FEED.learningRate) return tensor('float32', [], [1e-4]);
  if (dtype !== 'int64')
    return tensor(
      dtype,
      dims,
      Array.from({ length: sizeOf(dims) }, () => 1),
    );
  const classes = dims.length === 1 ? 2 : 8000;
  const ids = Array.from({ length: sizeOf(dims) }, (_, i) => BigInt((i * 7919) % classes));
  return tensor(
    'int64',
    dims,
    name === 'attention_mask' ? ids.fill(1n) : name === 'token_type_ids' ? ids.fill(0n) : ids,
  );
}
