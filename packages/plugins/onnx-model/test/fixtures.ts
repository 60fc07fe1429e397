import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import type { JsonObject } from '@anneal/core';
import {
  canonicalize,
  type Graph,
  GraphBuilder,
  gradients,
  inline,
  memorySource,
  readOnnx,
  type ReadOnnxOptions,
  type TensorData,
  tensorFromBytes,
  type Value,
} from '@anneal/graph';

/** Made by tools/goldens/onnx-export. */
export const FIXTURES: string = join(import.meta.dirname, 'fixtures');

interface Encoded {
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly data: string;
}

export interface Golden {
  readonly config: JsonObject;
  readonly inputs: Readonly<Record<string, Encoded>>;
  readonly output: Encoded & { readonly name: string };
  readonly loss: number;
  /** Shapes of all weights as PyTorch has them. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  /** Norm of each gradient and its products with cos(i) and sin(i). */
  readonly projections: Readonly<Record<string, readonly [norm: number, cos: number, sin: number]>>;
  readonly gradients: Readonly<Record<string, Encoded>>;
}

export function goldenOf(name: string): Golden {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as Golden;
}

export function decode({ dtype, shape, data }: Encoded): TensorData {
  return tensorFromBytes(dtype, shape, new Uint8Array(Buffer.from(data, 'base64')));
}

/** The bytes of an export. */
export function exported(file: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(join(FIXTURES, `${file}.onnx.gz`))));
}

export function read(file: string, options: ReadOnnxOptions = {}): Promise<Graph> {
  return readOnnx(memorySource(exported(file), `${file}.onnx`), options);
}

/** The feeds of a golden; `float64` leaves room for the interpreter's precision. */
export function feedsOf({ inputs }: Golden): Record<string, TensorData> {
  return Object.fromEntries(Object.entries(inputs).map(([name, encoded]) => [name, decode(encoded)]));
}

type Loss = (g: GraphBuilder, out: Value, features: Readonly<Record<string, Value>>) => Value;

/** Mean cross-entropy with the classes 2 and 0. */
const crossEntropy: Loss = ({ ops }, out) => {
  const targets = ops.constant({ dtype: 'float32', shape: [2, 3], data: Float32Array.of(0, 0, 1, 1, 0, 0) });
  return ops.neg(ops.div(ops.sum(ops.mul(targets, ops.logSoftmax(out))), 2));
};

/** Mean cross-entropy of the next token, where it is no padding. */
const nextToken: Loss = ({ ops }, out, { input_ids: ids, attention_mask: mask }) => {
  const [, length, vocab] = out.dims as [number, number, number];
  const after = (x: Value): Value => ops.slice(x, [{ axis: 1, start: 1, end: length }]);
  const logs = ops.logSoftmax(ops.slice(out, [{ axis: 1, start: 0, end: length - 1 }]));
  const weights = ops.cast(after(mask as Value), 'float32');
  const chosen = ops.sum(ops.mul(logs, ops.oneHot(after(ids as Value), vocab)), { axes: [2] });
  return ops.neg(ops.div(ops.sum(ops.mul(chosen, weights)), ops.sum(weights)));
};

/** The mean of squares, each weighted by cos(i). */
const squares: Loss = ({ ops }, out) => {
  const [, ...shape] = out.dims;
  const size = shape.reduce((a, b) => a * b, 1);
  const weights = ops.constant({
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: size }, (_, i) => Math.cos(i)),
  });
  return ops.mean(ops.mul(ops.mul(weights, out), out));
};

/** The loss of each golden. */
export const LOSSES: Readonly<Record<string, Loss>> = {
  bert: crossEntropy,
  distilbert: crossEntropy,
  'bert-features': (g, out, features) => squares(g, g.ops.slice(out, [{ axis: 1, start: 0, end: 5 }]), features),
  gpt2: nextToken,
  llama: nextToken,
  vit: crossEntropy,
  'clip-text': squares,
  'whisper-encoder': squares,
};

/** Loss, output and the gradients of all trainable weights, as the engine traces them. */
export function step(graph: Graph, output: string, loss: Loss, dims: { batch: number; sequence: number }): Graph {
  const g = new GraphBuilder();
  const bound = canonicalize(graph, { dims }).graph;
  const inputs = Object.fromEntries(
    [...bound.inputs].map(([name, { dtype, shape }]) => [name, g.input(name, dtype, shape)]),
  );
  const out = inline(g, bound, { inputs })[output] as Value;
  const value = loss(g, out, inputs);
  g.output('loss', value);
  g.output('out', out);
  const weights = [...graph.parameters].filter(([, { trainable }]) => trainable).map(([name]) => name);
  const found = gradients(
    g,
    value,
    weights.map((name) => g.findParameter(name)?.value as Value),
  );
  for (const name of weights) g.output(`grad:${name}`, found.get(g.findParameter(name)?.value as Value) as Value);
  return g.build();
}

/** A gradient as PyTorch has it: of a weight that the graph holds the other way round, transposed. */
export function asInTorch(data: TensorData, transposed: boolean): Float64Array {
  const flat = Float64Array.from(data.data as Float32Array);
  if (!transposed) return flat;
  const [rows, columns] = data.shape as [number, number];
  return Float64Array.from(flat, (_, i) => flat[(i % rows) * columns + Math.floor(i / rows)] as number);
}
