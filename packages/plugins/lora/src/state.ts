import { AnnealError } from '@anneal/core';
import type { Graph } from '@anneal/graph';
import * as v from 'valibot';

import { type AdapterKind, KINDS } from './kinds.ts';

/** One adapter: `y = x W + scale · (x A) B` with A `[in, r]`, B `[r, out]`; rows of tables for embeddings. */
export interface Adapter {
  /** Module path of the layer. */
  readonly path: string;
  /** What it adapts. */
  readonly kind: AdapterKind;
  /** Rank. */
  readonly r: number;
  /** Scale, before it is divided by the rank. */
  readonly alpha: number;
  /** `alpha / r`, or `alpha / sqrt(r)`. */
  readonly scale: number;
  /** The plugin that made it, when that is not `lora`: `lora#encoder`. */
  readonly owner?: string | undefined;
}

/** What a graph with adapters says of them. */
export interface AdapterState {
  /** In the order of the layers. */
  readonly adapters: readonly Adapter[];
  /** Scales are `alpha / sqrt(r)`. */
  readonly rslora: boolean;
  /** Weights have a magnitude by column (DoRA). */
  readonly dora: boolean;
  /** Ends of paths of modules that are trained in full. */
  readonly modulesToSave: readonly string[];
}

/** Key of `Graph.metadata`: it travels with the graph through files. */
const METADATA = 'anneal.lora';

const positive = v.pipe(v.number(), v.gtValue(0));
const schema: v.GenericSchema<AdapterState> = v.object({
  adapters: v.array(
    v.object({
      path: v.string(),
      kind: v.picklist(Object.keys(KINDS) as AdapterKind[]),
      r: v.pipe(v.number(), v.integer(), v.minValue(1)),
      alpha: positive,
      scale: positive,
      owner: v.optional(v.string()),
    }),
  ),
  rslora: v.boolean(),
  dora: v.boolean(),
  modulesToSave: v.array(v.string()),
});

/**
 * The adapters of a graph; `undefined` when it has none.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when what the graph says of them is damaged.
 */
export function adapterStateOf(graph: Graph): AdapterState | undefined {
  const text = graph.metadata[METADATA];
  if (text === undefined) return undefined;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    throw new AnnealError('ANNEAL_E_MODEL', `the model's property \`${METADATA}\` does not describe adapters`, {
      plugin: 'lora',
      fix: 'build the model again from its base',
      cause,
    });
  }
}

/** The adapters of a graph. */
export function adaptersOf(graph: Graph): readonly Adapter[] {
  return adapterStateOf(graph)?.adapters ?? [];
}

/** The plugin that an adapter belongs to. */
export function ownerOf({ owner = 'lora' }: Adapter): string {
  return owner;
}

/** The graph with another description of its adapters, or with none. */
export function withAdapterState(graph: Graph, state: AdapterState | undefined): Graph {
  const { [METADATA]: _, ...metadata } = graph.metadata;
  return { ...graph, metadata: state === undefined ? metadata : { ...metadata, [METADATA]: JSON.stringify(state) } };
}

/** Names of an adapter's weights, as PEFT has them. */
export function adapterWeights({ path, kind }: Pick<Adapter, 'path' | 'kind'>): {
  readonly a: string;
  readonly b: string;
  /** Of DoRA. */
  readonly magnitude: string;
} {
  return {
    a: `${path}.${KINDS[kind].a}`,
    b: `${path}.${KINDS[kind].b}`,
    magnitude: `${path}.lora_magnitude_vector`,
  };
}

/** Whether a parameter belongs to an adapter. */
export function isAdapterWeight(name: string): boolean {
  return /\.lora_(?:[AB]\.weight|embedding_[AB]|magnitude_vector)$/.test(name);
}

/** Module path of a parameter. */
export function moduleOf(parameter: string): string {
  return parameter.slice(0, Math.max(0, parameter.lastIndexOf('.')));
}
