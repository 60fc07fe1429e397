import {
  byteLengthOf,
  type ByteSource,
  type DType,
  formatError,
  fromFloat16Bits,
  sizeOf,
  tensor,
  type TensorData,
  tensorFromBytes,
} from '@anneal/graph';

import type { Json } from './json.ts';

/** Opens a file of weights; `path` is relative to the folder of model.json, and has been checked not to leave it by name. */
export type OpenShard = (path: string) => Promise<ByteSource>;

/** A weight of strings, as bytes: tokens and class names. */
export interface TextWeight {
  readonly shape: readonly number[];
  readonly texts: readonly Uint8Array[];
}

export interface Weights {
  readonly tensors: ReadonlyMap<string, TensorData>;
  readonly texts: ReadonlyMap<string, TextWeight>;
}

/** Element types of weights in memory; complex ones are refused. */
const DTYPES: Readonly<Record<string, DType>> = {
  float32: 'float32',
  float16: 'float16',
  int32: 'int32',
  bool: 'bool',
};
/** Element types of weights in the file, where they are quantized. */
const STORED: Readonly<Record<string, DType>> = { uint8: 'uint8', uint16: 'uint16', float16: 'float16' };

interface Spec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization: Quantization | undefined;
  readonly place: Json;
}

interface Quantization {
  readonly stored: DType;
  readonly scale: number;
  readonly min: number;
}

/**
 * Reads all weights of a manifest: tensors of float32 (dequantized, where the file has fewer bits), int32 and bool. Sizes
 * are checked against the files before anything is allocated for them.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` naming the file, the weight and its place.
 */
export async function readWeights(manifest: Json, open: OpenShard): Promise<Weights> {
  const tensors = new Map<string, TensorData>();
  const texts = new Map<string, TextWeight>();
  for (const place of manifest.items()) {
    const specs = place.get('weights').items().map(specOf);
    const group = await readGroup(place.get('paths'), open);
    let offset = 0;
    for (const spec of specs) {
      const { name } = spec;
      if (tensors.has(name) || texts.has(name)) {
        throw formatError({ file: manifest.file, tensor: name }, 'two weights have this name');
      }
      if (spec.dtype === 'string') {
        const { value, end } = readTexts(spec, group, offset);
        texts.set(name, value);
        offset = end;
      } else {
        const stored = storedType(spec);
        const length = lengthOf(spec, stored);
        tensors.set(name, dequantize(spec, tensorFromBytes(stored, spec.shape, bytesAt(group, offset, length, name))));
        offset += length;
      }
    }
    if (offset !== group.bytes.length) {
      throw formatError(
        { file: group.name, offset },
        `the weights take ${offset} bytes, the files have ${group.bytes.length}: truncated, or of another model?`,
      );
    }
  }
  return { tensors, texts };
}

function specOf(place: Json): Spec {
  const quantization = place.get('quantization');
  const shape = place
    .get('shape')
    .items()
    .map((dim) => dim.int(undefined, 0));
  return {
    name: place.get('name').string(),
    shape,
    dtype: place.get('dtype').string(),
    quantization: quantization.exists ? quantizationOf(quantization) : undefined,
    place,
  };
}

function quantizationOf(place: Json): Quantization {
  const name = place.get('dtype').string();
  const stored = Object.hasOwn(STORED, name) ? STORED[name] : undefined;
  if (stored === undefined) throw place.get('dtype').error(`must be uint8, uint16 or float16, received "${name}"`);
  if (stored === 'float16') return { stored, scale: 1, min: 0 };
  return { stored, scale: place.get('scale').number(), min: place.get('min').number() };
}

function storedType({ dtype, quantization, place }: Spec): DType {
  const own = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (own === undefined) throw place.get('dtype').error(`weights of type "${dtype}" are not supported`);
  return quantization?.stored ?? own;
}

function lengthOf({ shape, place }: Spec, stored: DType): number {
  const length = byteLengthOf(stored, shape);
  if (!Number.isSafeInteger(length))
    throw place.get('shape').error(`[${shape.join(', ')}] is more than any file holds`);
  return length;
}

/** Float32 values of what the file has: `stored · scale + min`, as TensorFlow.js computes it. */
function dequantize({ dtype, shape, quantization }: Spec, stored: TensorData): TensorData {
  const { data } = stored;
  if (stored.dtype === 'float16') return tensor('float32', shape, fromFloat16Bits(data as Uint16Array, 'float16'));
  if (quantization === undefined) return stored;
  const { scale, min } = quantization;
  const isInteger = dtype !== 'float32';
  const out = isInteger ? new Int32Array(data.length) : new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) {
    const value = Number(data[i]) * scale + min;
    out[i] = isInteger ? Math.round(value) : value;
  }
  return tensor(isInteger ? 'int32' : 'float32', shape, out);
}

/** Each text is its length in four bytes, and its bytes. */
function readTexts(spec: Spec, group: Group, start: number): { readonly value: TextWeight; readonly end: number } {
  const { name, shape, place } = spec;
  const count = sizeOf(shape);
  if (count * 4 > group.bytes.length - start) {
    throw formatError(
      { file: group.name, tensor: name, offset: start },
      `[${shape.join(', ')}] texts are more than the ${group.bytes.length - start} bytes that are left`,
    );
  }
  if (spec.quantization !== undefined) throw place.error('texts cannot be quantized');
  const texts: Uint8Array[] = [];
  let offset = start;
  for (let i = 0; i < count; i++) {
    const head = bytesAt(group, offset, 4, name);
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
    texts.push(bytesAt(group, offset + 4, length, name));
    offset += 4 + length;
  }
  return { value: { shape, texts }, end: offset };
}

/** The contents of the files of a group, one after the other. */
interface Group {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** More bytes than a browser takes. */
const MAX_GROUP_BYTES = 4 * 2 ** 30;

async function readGroup(paths: Json, open: OpenShard): Promise<Group> {
  const sources: ByteSource[] = [];
  let size = 0;
  for (const place of paths.items()) {
    const path = place.string();
    const problem = pathProblem(path);
    if (problem !== undefined) throw place.error(`"${path}" cannot be used: ${problem}`);
    const source = await open(path);
    sources.push(source);
    size += source.size;
    if (size > MAX_GROUP_BYTES) throw place.error('the files of this group have more than 4 GiB');
  }
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return { name: only.name, bytes: await only.read(0, size) };
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const source of sources) {
    bytes.set(await source.read(0, source.size), at);
    at += source.size;
  }
  return { name: paths.file, bytes };
}

function bytesAt({ name, bytes }: Group, offset: number, length: number, weight: string): Uint8Array {
  if (offset + length <= bytes.length) return bytes.subarray(offset, offset + length);
  throw formatError(
    { file: name, tensor: weight, offset },
    `${length} bytes from ${offset} are outside the ${bytes.length} bytes of the weights: truncated?`,
  );
}

/** Why a path of a shard leaves the folder of its model; `undefined` when it does not. */
export function pathProblem(path: string): string | undefined {
  if (path === '' || path.includes('\0')) return 'it is no file name';
  if (/^(?:[\\/]|[a-z][a-z\d+.-]*:)/i.test(path)) return 'it is not relative to the folder of the model';
  if (path.split(/[\\/]/).includes('..')) return 'it leaves the folder of the model';
  return undefined;
}
