import type { Random } from '@anneal/core';
import {
  embeddingLayers,
  type Graph,
  type GraphBuilder,
  type LinearLayer,
  linearLayers,
  type Node,
  type Value,
} from '@anneal/graph';

/** What an adapter sits on. */
export type AdapterKind = 'linear' | 'embedding';

/** How adapters work on one kind of layer: `y = f(x, W) + scale · f(x, A) B`. */
export interface KindRules {
  /** The layers of this kind, by node. */
  layers(graph: Graph): ReadonlyMap<Node, LinearLayer>;
  /** Names of the weights in PEFT's files, after the module path. */
  readonly a: string;
  readonly b: string;
  /** Inputs of the node: the weight's place, and the other one's. */
  readonly weightInput: 0 | 1;
  /** `x A`: a product, or rows of a table. */
  apply(g: GraphBuilder, x: Value, a: Value): Value;
  /** Starting values; one of the two is zero, so that training starts at the base model. */
  initial(
    stream: Random,
    inDim: number,
    r: number,
    outDim: number,
    gaussian: boolean,
  ): { a: Float32Array; b: Float32Array };
}

/** PEFT's conventions by kind of layer. */
export const KINDS: Readonly<Record<AdapterKind, KindRules>> = {
  linear: {
    layers: linearLayers,
    a: 'lora_A.weight',
    b: 'lora_B.weight',
    weightInput: 1,
    apply: (g, x, a) => g.ops.matmul(x, a),
    // Kaiming uniform with a = √5, which is uniform in ±1/√in; or gaussian with std 1/r.
    initial: (stream, inDim, r, outDim, gaussian) => {
      const bound = 1 / Math.sqrt(inDim);
      const a = gaussian
        ? stream.normal(inDim * r, { std: 1 / r })
        : stream.uniform(inDim * r, { min: -bound, max: bound });
      return { a, b: new Float32Array(r * outDim) };
    },
  },
  embedding: {
    layers: embeddingLayers,
    a: 'lora_embedding_A',
    b: 'lora_embedding_B',
    weightInput: 0,
    apply: (g, ids, a) => g.ops.take(a, ids),
    initial: (stream, inDim, r, outDim) => ({ a: new Float32Array(inDim * r), b: stream.normal(r * outDim) }),
  },
};
