import type { GraphBuilder } from '../../src/builder.ts';
import type { Value } from '../../src/ir.ts';
import { type TensorData, tensor, tensorFromBytes } from '../../src/tensor.ts';
import type { DType } from '../../src/dtype.ts';

interface Encoded {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: string;
}

/** fixtures/encoder.json, written by tools/goldens/encoder/make.py. */
export interface EncoderFixture {
  readonly config: {
    readonly batch: number;
    readonly sequence: number;
    readonly hidden: number;
    readonly heads: number;
    readonly layers: number;
    readonly classes: number;
    readonly epsilon: number;
    readonly smoothing: number;
    readonly masked: number;
  };
  readonly inputs: Readonly<Record<string, Encoded>>;
  readonly weights: Readonly<Record<string, Encoded>>;
  readonly gradients: Readonly<Record<string, Encoded>>;
  readonly logits: Encoded;
  readonly loss: number;
}

export function decode({ dtype, shape, data }: Encoded): TensorData {
  return tensorFromBytes(dtype as DType, shape, new Uint8Array(Buffer.from(data, 'base64')));
}

export interface EncoderOptions {
  /** Linear weights as `[in, out]` with MatMul, or as PyTorch has them with a transposing product. */
  readonly layout: 'in-out' | 'out-in';
  /** A weight by name; linear ones in that layout. */
  readonly weight: (name: string) => Value;
}

/** A BERT encoder with its heads and loss, traced with `ops` in the dtype of its weights. */
export function traceEncoder(
  g: GraphBuilder,
  { config, inputs }: Pick<EncoderFixture, 'config' | 'inputs'>,
  { layout, weight }: EncoderOptions,
): { loss: Value; logits: Value } {
  const { ops } = g;
  const { batch, sequence, hidden, heads, layers, classes, epsilon, smoothing, masked } = config;
  const size = hidden / heads;
  const { dtype } = weight('classifier.bias');
  const fixed = (name: string): Value => g.constant(decode(inputs[name] as Encoded));

  const linear = (name: string, x: Value): Value => {
    const product = ops.matmul(x, weight(`${name}.weight`), { transposeB: layout === 'out-in' });
    return ops.add(product, weight(`${name}.bias`));
  };
  const norm = (name: string, x: Value): Value =>
    ops.layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), { epsilon });
  const perHead = (x: Value): Value => ops.transpose(ops.reshape(x, [batch, sequence, heads, size]), [0, 2, 1, 3]);

  const mask = ops.cast(fixed('mask'), dtype);
  const bias = ops.reshape(ops.mul(ops.sub(1, mask), masked), [batch, 1, 1, sequence]);
  const attention = (name: string, x: Value): Value => {
    const [q, k, v] = ['query', 'key', 'value'].map((part) => perHead(linear(`${name}.self.${part}`, x))) as [
      Value,
      Value,
      Value,
    ];
    const scores = ops.matmul(q, k, { transposeB: true, alpha: 1 / Math.sqrt(size) });
    const mixed = ops.matmul(ops.softmax(ops.add(scores, bias)), v);
    const joined = ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), [batch, sequence, hidden]);
    return linear(`${name}.output.dense`, joined);
  };

  let h = ops.add(
    ops.add(
      ops.take(weight('embeddings.word_embeddings.weight'), fixed('ids')),
      ops.take(weight('embeddings.token_type_embeddings.weight'), fixed('types')),
    ),
    weight('embeddings.position_embeddings.weight'),
  );
  h = norm('embeddings.LayerNorm', h);
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`;
    g.scope(layer, () => {
      h = norm(`${layer}.attention.output.LayerNorm`, ops.add(h, attention(`${layer}.attention`, h)));
      const wide = ops.gelu(linear(`${layer}.intermediate.dense`, h));
      h = norm(`${layer}.output.LayerNorm`, ops.add(h, linear(`${layer}.output.dense`, wide)));
    });
  }

  const first = ops.take(h, g.scalar(0, 'int64'), { axis: 1 });
  const fromFirst = linear('classifier', ops.tanh(linear('pooler.dense', first)));
  const counts = ops.clip(ops.sum(mask, { axes: [1], keepdims: true }), { min: 1e-9 });
  const summed = ops.sum(ops.mul(h, ops.expandDims(mask, [-1])), { axes: [1] });
  const fromMean = linear('classifier', ops.div(summed, counts));

  const oneHot = ops.oneHot(fixed('labels'), classes, { dtype });
  const targets = ops.add(ops.mul(oneHot, 1 - smoothing), smoothing / classes);
  const entropy = (logits: Value): Value =>
    ops.neg(ops.mean(ops.sum(ops.mul(targets, ops.logSoftmax(logits)), { axes: [-1] })));
  const logits = ops.concat([ops.expandDims(fromFirst, [0]), ops.expandDims(fromMean, [0])], { axis: 0 });
  return { loss: ops.add(entropy(fromFirst), entropy(fromMean)), logits };
}

/** A matrix with its axes swapped. */
export function transposed({ dtype, shape, data }: TensorData): TensorData {
  const [rows, columns] = shape as [number, number];
  const out = Array.from({ length: data.length }, (_, i) => Number(data[(i % rows) * columns + Math.floor(i / rows)]));
  return tensor(dtype, [columns, rows], out);
}

/** Whether a name of the fixture is the matrix of a linear layer. */
export function isLinear(name: string): boolean {
  return name.endsWith('.weight') && !name.includes('embeddings') && !name.includes('LayerNorm');
}
