import type { ByteSource, LazyTensor } from '../../tensor.ts';
import { byteLengthOf, sizeOf } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { checkRange } from '../source.ts';
import { GgufCursor, type GgufValue } from './cursor.ts';
import { GGUF_TYPES, type GgufType } from './types.ts';

/** A tensor of a GGUF file. Quantised ones appear as float32: reading any part computes just that part. */
export interface GgufTensor extends LazyTensor {
  /** How the file stores it, e.g. `Q4_K`. */
  readonly type: string;
}

/** A GGUF file. */
export interface Gguf {
  /** Of the format. */
  readonly version: number;
  /** Facts about the model, e.g. `general.architecture`. 64-bit integers are numbers where those are exact. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** By name; read when asked for. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 0x46554747;
const MAX_ENTRIES = 1_000_000;
const MAX_DIMS = 4;

/**
 * Reads the header of a GGUF file, version 2 or 3; tensors stay in it until they are asked for. F64, F32, F16, BF16 and
 * integer tensors are read as they are; Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K ones are dequantised. Others
 * are listed, and reading them is an error. Shapes are in row-major order, the reverse of the file's.
 *
 * @throws GraphError `ANNEAL_E_FORMAT`
 */
export async function readGguf(source: ByteSource): Promise<Gguf> {
  const cursor = new GgufCursor(source);
  const magic = await cursor.uint32();
  if (magic !== MAGIC) throw cursor.error('the file does not begin with "GGUF"');
  const version = await cursor.uint32();
  if (version !== 2 && version !== 3) {
    throw cursor.error(`version ${version} is not supported${version > 0xffff ? ': a big-endian file?' : ''}`);
  }
  const tensorCount = await cursor.count(MAX_ENTRIES, 'tensors');
  const metadataCount = await cursor.count(MAX_ENTRIES, 'metadata entries');
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = await cursor.string();
    if (metadata.has(key)) throw cursor.error(`the metadata key ${JSON.stringify(key)} is there twice`);
    metadata.set(key, await cursor.value());
  }
  const infos: TensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) infos.push(await readInfo(cursor));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 2 ** 30 || alignment % 1 !== 0) {
    throw cursor.error(`an alignment of ${String(alignment)} is not possible`);
  }
  const start = Math.ceil(cursor.offset / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    if (tensors.has(info.name))
      throw formatError({ file: source.name, tensor: info.name }, 'two tensors have this name');
    tensors.set(info.name, tensorOf(source, info, start));
  }
  return { version, metadata, tensors };
}

interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly code: number;
  readonly offset: number;
}

async function readInfo(cursor: GgufCursor): Promise<TensorInfo> {
  const name = await cursor.string();
  const rank = await cursor.uint32();
  if (rank > MAX_DIMS) throw cursor.error(`tensor ${JSON.stringify(name)} has ${rank} axes, at most ${MAX_DIMS}`);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) shape.unshift(await cursor.size(`a dimension of tensor ${JSON.stringify(name)}`));
  const code = await cursor.uint32();
  return { name, shape, code, offset: await cursor.size(`the offset of tensor ${JSON.stringify(name)}`) };
}

function tensorOf(source: ByteSource, { name, shape, code, offset: relative }: TensorInfo, start: number): GgufTensor {
  const fail = (message: string): Error =>
    formatError({ file: source.name, tensor: name, offset: start + relative }, message);
  const type = GGUF_TYPES.get(code);
  if (type === undefined) throw fail(`unknown tensor type ${code}`);
  const elements = sizeOf(shape);
  const row = shape.at(-1) ?? 1;
  if (!Number.isSafeInteger(elements * 4)) throw fail(`[${shape.join(', ')}] has more elements than any file can hold`);
  if (row % type.elements !== 0) throw fail(`rows of ${row} elements do not fill blocks of ${type.elements}`);
  const length = (elements / type.elements) * type.bytes;
  const offset = start + relative;
  checkRange(source, offset, length, name);
  if (type.dtype !== undefined) return { dtype: type.dtype, shape, source, offset, type: type.name };
  const floats = dequantized(source, { name, type, offset, elements });
  return { dtype: 'float32', shape, source: floats, offset: 0, type: type.name };
}

/** Elements that are dequantised at a time. */
const CHUNK = 1 << 18;

/** The float32 elements of quantised blocks as a source of their own: reading a range computes the blocks it touches. */
function dequantized(
  source: ByteSource,
  { name, type, offset, elements }: { name: string; type: GgufType; offset: number; elements: number },
): ByteSource {
  const size = byteLengthOf('float32', [elements]);
  return {
    name: source.name,
    size,
    async read(from, length) {
      checkRange({ name: source.name, size }, from, length, name);
      const { dequantize } = type;
      if (dequantize === undefined) {
        throw formatError(
          { file: source.name, tensor: name, offset },
          `tensors of type ${type.name} cannot be read yet`,
        );
      }
      const perBlock = type.elements * 4;
      const [first, last] = [Math.floor(from / perBlock), Math.ceil((from + length) / perBlock)];
      const out = new Float32Array((last - first) * type.elements);
      const step = CHUNK / type.elements;
      for (let block = first; block < last; block += step) {
        const count = Math.min(step, last - block);
        const bytes = await source.read(offset + block * type.bytes, count * type.bytes);
        for (let i = 0; i < count; i++) {
          dequantize(bytes, i * type.bytes, out, (block - first + i) * type.elements);
        }
      }
      return new Uint8Array(out.buffer, from - first * perBlock, length);
    },
  };
}
