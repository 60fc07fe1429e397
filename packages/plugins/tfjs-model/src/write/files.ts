import { bytesOf, sizeOf, tensor, type TensorData, toFloat16Bits } from '@anneal/graph';

import type { TfNode } from './emitter.ts';

/** How weights are stored: with fewer bits, and computed with as float32. */
export type WeightStorage = 'float32' | 'float16' | 'uint16' | 'uint8';

/** How weights are stored. */
export interface TfjsFilesOptions {
  /** Of weights with at least `minElements` elements. @defaultValue `'float32'` */
  readonly quantization?: WeightStorage | undefined;
  /** Smaller weights stay as they are. @defaultValue `1024` */
  readonly minElements?: number | undefined;
  /** Largest file of weights, in bytes: browsers cache files of this size. @defaultValue `4194304` */
  readonly shardBytes?: number | undefined;
}

interface Stored {
  readonly bytes: Uint8Array;
  readonly quantization?: Readonly<Record<string, unknown>>;
}

/** Largest whole number of the types in which weights are counted. */
const STEPS = { uint8: 255, uint16: 65_535 } as const;

/** The weight in steps from its smallest to its largest element; zero is one of them, as padding and pruning need it. */
function steps(data: TensorData, dtype: 'uint8' | 'uint16'): Stored {
  const values = data.data as Float32Array;
  let [low, high] = [0, 0];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = (high - low) / STEPS[dtype] || 1;
  const zero = Math.round(-low / scale);
  const min = -zero * scale;
  const out = new (dtype === 'uint8' ? Uint8Array : Uint16Array)(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.min(STEPS[dtype], Math.max(0, Math.round((values[i] as number) / scale) + zero));
  }
  return {
    bytes: bytesOf(tensor(dtype, data.shape, out)),
    quantization: { dtype, min, scale, original_dtype: 'float32' },
  };
}

function stored(data: TensorData, quantization: WeightStorage, minElements: number): Stored {
  if (data.dtype !== 'float32' || quantization === 'float32' || sizeOf(data.shape) < minElements) {
    return { bytes: bytesOf(data) };
  }
  if (quantization !== 'float16') return steps(data, quantization);
  const half = toFloat16Bits(data.data as Float32Array, 'float16');
  return { bytes: new Uint8Array(half.buffer), quantization: { dtype: 'float16', original_dtype: 'float32' } };
}

/** What a signature says of inputs or outputs. */
export type Ports = Readonly<Record<string, unknown>>;

export interface TfjsModelJson {
  readonly nodes: readonly TfNode[];
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly inputs: Ports;
  readonly outputs: Ports;
  readonly metadata: Readonly<Record<string, string>>;
}

/** `model.json` and its weights, by file name. */
export function tfjsFiles(model: TfjsModelJson, options: TfjsFilesOptions = {}): Map<string, Uint8Array> {
  const { quantization = 'float32', minElements = 1024, shardBytes = 4 << 20 } = options;
  const entries = [...model.weights].map(([name, data]) => ({
    name,
    data,
    ...stored(data, quantization, minElements),
  }));
  const all = new Uint8Array(entries.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of entries) {
    all.set(bytes, at);
    at += bytes.length;
  }
  const count = Math.max(1, Math.ceil(all.length / shardBytes));
  const shards = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const json = {
    format: 'graph-model',
    generatedBy: 'anneal',
    convertedBy: 'anneal',
    signature: { inputs: model.inputs, outputs: model.outputs },
    ...(Object.keys(model.metadata).length > 0 && { userDefinedMetadata: model.metadata }),
    modelTopology: { node: model.nodes, library: {}, versions: { producer: 1 } },
    weightsManifest: [
      {
        paths: shards,
        weights: entries.map(({ name, data, quantization: how }) => ({
          name,
          shape: data.shape,
          dtype: data.dtype,
          ...(how !== undefined && { quantization: how }),
        })),
      },
    ],
  };
  const files = new Map([['model.json', new TextEncoder().encode(JSON.stringify(json))]]);
  shards.forEach((name, i) => files.set(name, all.subarray(i * shardBytes, (i + 1) * shardBytes)));
  return files;
}
