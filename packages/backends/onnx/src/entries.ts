import { Tensor } from 'onnxruntime-node';
import type { TensorData, TypedArray } from '@anneal/graph';
import type { DeviceMemory } from './device-memory.ts';
import { EDGE_ARRAYS, type EdgeType } from './edge-types.ts';
import type { EntrySpec, OutputSpec } from './protocol.ts';

/** Tensors of a state by name, on the device where it keeps them, and the buffers that the next run of a program may write. */
export class Entries {
  readonly #memory: DeviceMemory | undefined;
  readonly #entries = new Map<string, Tensor>();
  /** Former contents, by type and shape: never those of a tensor that is being read. */
  readonly #spares = new Map<string, Tensor[]>();

  constructor(memory: DeviceMemory | undefined) {
    this.#memory = memory;
  }

  get(name: string): Tensor {
    return this.#entries.get(name) as Tensor;
  }

  /** Replaces an entry by a tensor that is where it belongs. */
  set(name: string, value: Tensor): void {
    const old = this.#entries.get(name);
    this.#entries.set(name, value);
    if (old !== undefined) discard(old);
  }

  async write(name: string, value: Tensor): Promise<void> {
    this.set(name, (await this.#memory?.upload(value)) ?? value);
  }

  /** A copy of an entry. */
  async read(name: string): Promise<TensorData> {
    const tensor = this.get(name);
    if (tensor.location !== 'cpu') return toData(await (this.#memory as DeviceMemory).download(tensor));
    const { dtype, shape, data } = toData(tensor);
    return { dtype, shape, data: data.slice() };
  }

  async clear(name: string, spec: EntrySpec): Promise<void> {
    const known = this.#entries.get(name);
    if (known === undefined || known.location !== 'cpu') await this.write(name, blank(spec));
    else (known.data as Exclude<TypedArray, BigInt64Array | BigUint64Array>).fill(0);
  }

  /** A buffer to write a new value into. */
  borrow(spec: OutputSpec): Tensor {
    return this.#spares.get(spareKey(spec.dtype, spec.shape))?.pop() ?? blank(spec);
  }

  giveBack(tensor: Tensor): void {
    const key = spareKey(tensor.type, tensor.dims);
    const spares = this.#spares.get(key);
    if (spares === undefined) this.#spares.set(key, [tensor]);
    else spares.push(tensor);
  }

  /** Replaces an entry by a written buffer; the old one becomes spare. */
  swap(name: string, written: Tensor): void {
    const old = this.get(name);
    this.#entries.set(name, written);
    this.giveBack(old);
  }

  dispose(): void {
    for (const tensor of this.#entries.values()) discard(tensor);
  }
}

/** Frees memory of a device; the collector frees ours. */
export function discard(tensor: Tensor): void {
  if (tensor.location !== 'cpu') tensor.dispose();
}

export function toTensor({ dtype, shape, data }: TensorData): Tensor {
  return new Tensor(dtype as Tensor.Type, data as Tensor.DataType, shape);
}

export function toData({ type, dims, data }: Tensor): TensorData {
  return { dtype: type as EdgeType, shape: [...dims], data: data as TypedArray };
}

export function blank({ dtype, shape = [] }: Pick<OutputSpec, 'dtype' | 'shape'>): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return toTensor({ dtype, shape, data: new EDGE_ARRAYS[dtype](size) });
}

/** Tensors of one key fit into each other's buffers. */
export function spareKey(dtype: string, shape: readonly number[] | undefined): string {
  return `${dtype}[${shape}]`;
}
