import type { ByteSource, LazyTensor } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { MAX_HEADER_BYTES, parseHeader, PREFIX_BYTES } from './header.ts';

/** A safetensors file. */
export interface Safetensors {
  /** In the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  /** Texts in the header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the header of a safetensors file; the tensors stay in it until they are asked for.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when the header is too large (100 MB), not JSON, or does not describe the data
 * exactly: every byte belongs to one tensor.
 */
export async function readSafetensors(source: ByteSource): Promise<Safetensors> {
  const { name: file, size } = source;
  if (size < PREFIX_BYTES) throw formatError({ file, offset: size }, 'the file is too short to be safetensors');
  const prefix = await source.read(0, PREFIX_BYTES);
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER_BYTES) {
    throw formatError({ file, offset: 0 }, `a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  }
  if (length > size - PREFIX_BYTES) {
    throw formatError({ file, offset: 0 }, `a header of ${length} bytes, ${size - PREFIX_BYTES} are left: truncated?`);
  }
  const bytes = await source.read(PREFIX_BYTES, length);
  if (bytes[0] !== 0x7b) throw formatError({ file, offset: PREFIX_BYTES }, 'the header does not begin with "{"');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw formatError({ file, offset: PREFIX_BYTES }, 'the header is not valid UTF-8', { cause: error });
  }
  const start = PREFIX_BYTES + length;
  const { entries, metadata } = parseHeader(text, size - start, file);
  const tensors = new Map<string, LazyTensor>();
  for (const { name, dtype, shape, begin } of entries) {
    tensors.set(name, { dtype, shape, source, offset: start + begin });
  }
  return { tensors, metadata };
}
