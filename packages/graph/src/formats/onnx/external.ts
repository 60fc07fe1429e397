import { GraphError } from '../../error.ts';
import { byteLengthOf, bytesOf, isLazy, type TensorSource } from '../../tensor.ts';
import { type ByteWriter, copyRange, writeZeros } from '../source.ts';

/** Where weights go that shall not be in the model's file. */
export interface ExternalOptions {
  /** Path of the data file relative to the model's folder, e.g. `model.onnx_data`. */
  readonly location: string;
  /** Smaller parameters stay in the model, in bytes. @defaultValue `1024` */
  readonly threshold?: number | undefined;
}

/** Where a tensor's bytes lie: `location` is relative to the model's folder. */
export interface StoredTensor {
  /** Path relative to the model's folder. */
  readonly location: string;
  /** First byte. */
  readonly offset: number;
}

/** Pages of 4 KiB, so that a runtime can map a tensor instead of copying it; large ones at Windows' 64 KiB. */
const ALIGNMENT = 4096;
const LARGE_ALIGNMENT = 65_536;
const LARGE_BYTES = 1 << 20;

/** The contents of an external-data file: laid out when the model is written, streamed when asked for. */
export class ExternalData {
  /** Path relative to the model's folder. */
  readonly location: string;
  /** What lies where, in bytes. */
  readonly entries: { readonly name: string; readonly offset: number; readonly length: number }[] = [];
  readonly #threshold: number;
  readonly #tensors: TensorSource[] = [];
  #size = 0;

  constructor({ location, threshold = 1024 }: ExternalOptions) {
    const problem = locationProblem(location);
    if (problem !== undefined) {
      throw new GraphError('ANNEAL_E_FORMAT', `external data cannot be written to "${location}": ${problem}`);
    }
    this.location = location;
    this.#threshold = threshold;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#size;
  }

  /** Gives a tensor its place, or `undefined` when it is small enough to stay in the model. */
  place(name: string, tensor: TensorSource): StoredTensor | undefined {
    const length = byteLengthOf(tensor.dtype, tensor.shape);
    if (length < this.#threshold) return undefined;
    const step = length >= LARGE_BYTES ? LARGE_ALIGNMENT : ALIGNMENT;
    const offset = Math.ceil(this.#size / step) * step;
    this.entries.push({ name, offset, length });
    this.#tensors.push(tensor);
    this.#size = offset + length;
    return { location: this.location, offset };
  }

  /** Writes the file; lazy tensors are copied in chunks and never held whole. */
  async write(writer: ByteWriter): Promise<void> {
    let at = 0;
    for (const [i, { offset, length }] of this.entries.entries()) {
      const tensor = this.#tensors[i] as TensorSource;
      await writeZeros(writer, offset - at);
      if (isLazy(tensor)) await copyRange(tensor.source, tensor.offset, length, writer);
      else await writer.write(bytesOf(tensor));
      at = offset + length;
    }
  }
}

/** Why a location could leave the model's folder; `undefined` when it cannot. */
export function locationProblem(location: string): string | undefined {
  if (location === '') return 'it is empty';
  if (location.includes('\0')) return 'it contains a zero byte';
  if (/^([\\/]|[A-Za-z]:|[A-Za-z][A-Za-z+.-]*:\/\/)/.test(location)) return 'it is not relative';
  if (location.split(/[\\/]/).includes('..')) return 'it leaves the folder of the model';
  return undefined;
}
