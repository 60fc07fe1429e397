import { DTYPES } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import { byteLengthOf, bytesOf, isLazy, sizeOf, type TensorSource } from '../../tensor.ts';
import { type ByteWriter, copyRange } from '../source.ts';
import { MAX_HEADER_BYTES, METADATA_KEY, SAFETENSORS_DTYPES } from './header.ts';

/** What {@link writeSafetensors} adds. */
export interface WriteSafetensorsOptions {
  /** Strings that belong to the file, e.g. `{ format: 'pt' }`, which transformers wants. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Sort the tensors as the reference implementation does, by element type and name: the same tensors always give the
   * same bytes, and every tensor is aligned. `false` keeps the given order. @defaultValue `true`
   */
  readonly sort?: boolean | undefined;
}

const rank: ReadonlyMap<string, number> = new Map(SAFETENSORS_DTYPES.map(([, dtype], i) => [dtype, i]));
const codes: ReadonlyMap<string, string> = new Map(SAFETENSORS_DTYPES.map(([code, dtype]) => [dtype, code]));

/**
 * Writes tensors as a safetensors file. Lazy tensors are copied in chunks and never held whole.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` for an element type that the format does not have (4- and 2-bit integers,
 * strings, complex128), a tensor named `__metadata__`, or a header above 100 MB.
 */
export async function writeSafetensors(
  tensors: ReadonlyMap<string, TensorSource>,
  writer: ByteWriter,
  { metadata = {}, sort = true }: WriteSafetensorsOptions = {},
): Promise<void> {
  const entries = [...tensors];
  if (sort) entries.sort(compare);
  await writer.write(headerOf(entries, metadata));
  for (const [, tensor] of entries) {
    if (isLazy(tensor)) {
      await copyRange(tensor.source, tensor.offset, byteLengthOf(tensor.dtype, tensor.shape), writer);
    } else await writer.write(bytesOf(tensor));
  }
}

function headerOf(entries: readonly [string, TensorSource][], metadata: Readonly<Record<string, string>>): Uint8Array {
  const fields: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) fields.push([METADATA_KEY, metadata]);
  let end = 0;
  for (const [name, { dtype, shape }] of entries) {
    const code = codes.get(dtype);
    if (code === undefined) {
      throw new GraphError('ANNEAL_E_FORMAT', `tensor "${name}": safetensors has no element type ${dtype}`, {
        at: { tensor: name },
        fix: 'store its bytes as uint8',
      });
    }
    if (name === METADATA_KEY) {
      throw new GraphError('ANNEAL_E_FORMAT', `safetensors reserves the name "${name}"`, { fix: 'rename the tensor' });
    }
    if ((sizeOf(shape) * DTYPES[dtype].bits) % 8 !== 0) {
      throw new GraphError(
        'ANNEAL_E_FORMAT',
        `tensor "${name}": ${dtype}[${shape.join(', ')}] does not fill its bytes`,
      );
    }
    const begin = end;
    end += byteLengthOf(dtype, shape);
    fields.push([name, { dtype: code, shape, data_offsets: [begin, end] }]);
  }
  // Joined by hand: an object would move names that look like numbers to the front.
  const text = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`;
  const json = new TextEncoder().encode(text);
  const length = Math.ceil(json.byteLength / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new GraphError(
      'ANNEAL_E_FORMAT',
      `${entries.length} tensors need a header of ${length} bytes, 100 MB is the limit`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

function compare([a, x]: [string, TensorSource], [b, y]: [string, TensorSource]): number {
  return (rank.get(y.dtype) ?? 0) - (rank.get(x.dtype) ?? 0) || compareText(a, b);
}

/** By code point, which is the order of the UTF-8 bytes; `<` would compare UTF-16 units. */
function compareText(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i] as string).codePointAt(0)! - (right[i] as string).codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
