import type { KernelBackend, KernelFunc, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '@anneal/graph';
import type { OpenDevice } from './core.ts';

/** Element types of TensorFlow.js that are used. */
export type Type = 'float32' | 'int32' | 'bool';
export type Elements = Float32Array | Int32Array | Uint8Array;

/** A tensor on the device. Every handle owns one reference to its elements. */
export interface Tensor extends TensorInfo {
  readonly dtype: Type;
}

/** Their arrays on the way in and out. */
const ARRAYS: Readonly<Record<Type, Float32ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor>> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/** What the backends that compute in this process have besides their interface. */
interface HostMemory {
  /** wasm */
  readonly typedArrayFromHeap?: (tensor: TensorInfo) => Elements;
  readonly makeOutput?: (shape: number[], dtype: Type) => TensorInfo;
  /** cpu */
  readonly data?: { get(id: object): { values: Elements } };
}

/**
 * The forward kernels of one TensorFlow.js backend, called directly: no engine between, whose current backend, tape and
 * scopes are one for the whole process, so that two devices, or a page's own tensors, never meet.
 *
 * Handles are tracked by scopes: what an operator makes and does not return is freed when it ends, whether it throws or
 * not.
 */
export class Kernels {
  readonly device: string;
  readonly #open: OpenDevice;
  readonly #backend: KernelBackend;
  readonly #functions = new Map<string, KernelFunc>();
  readonly #scalars = new Map<string, Tensor>();
  #scope: Tensor[] | undefined;

  constructor(open: OpenDevice) {
    this.#open = open;
    this.#backend = open.backend;
    this.device = open.device;
  }

  /** Handles that are alive, for tests. */
  get count(): number {
    return this.#backend.numDataIds();
  }

  has(kernel: string): boolean {
    return this.#open.core.getKernel(kernel, this.#open.kernels) !== undefined;
  }

  run(kernel: string, inputs: NamedTensorInfoMap | readonly TensorInfo[], attrs: NamedAttrMap = {}): Tensor {
    return this.#track(this.#call(kernel, inputs, attrs) as Tensor);
  }

  /** A kernel with several results. */
  runAll(kernel: string, inputs: NamedTensorInfoMap, attrs: NamedAttrMap = {}): readonly Tensor[] {
    const results = this.#call(kernel, inputs, attrs) as Tensor[];
    for (const result of results) this.#track(result);
    return results;
  }

  #call(kernel: string, inputs: NamedTensorInfoMap | readonly TensorInfo[], attrs: NamedAttrMap): unknown {
    let run = this.#functions.get(kernel);
    if (run === undefined) {
      run = this.#open.core.getKernel(kernel, this.#open.kernels)?.kernelFunc;
      if (run === undefined) throw new Error(`TensorFlow.js has no kernel ${kernel} for ${this.device}`);
      this.#functions.set(kernel, run);
    }
    return run({ inputs: this.#given(inputs), attrs, backend: this.#backend });
  }

  /** Operands as kernels take them: those of a native library may call the engine, which looks at their class. */
  #given(inputs: NamedTensorInfoMap | readonly TensorInfo[]): NamedTensorInfoMap {
    if (this.#open.native !== true) return inputs as NamedTensorInfoMap;
    const engine = this.#open.core.engine();
    const made = Object.entries(inputs).map(([name, info]) => [name, info && engine.makeTensorFromTensorInfo(info)]);
    return (Array.isArray(inputs) ? made.map(([, one]) => one) : Object.fromEntries(made)) as NamedTensorInfoMap;
  }

  /** A new tensor; the elements are copied or taken over. */
  write(data: Elements, shape: readonly number[], dtype: Type): Tensor {
    const dims = [...shape];
    return this.#track({ dataId: this.#backend.write(data, dims, dtype), shape: dims, dtype });
  }

  async read({ dataId, dtype, shape }: Tensor): Promise<Elements> {
    if (sizeOf(shape) === 0) return new ARRAYS[dtype](0);
    const data = (await this.#backend.read(dataId)) as Elements;
    const fault = this.#open.fault?.();
    if (fault !== undefined) throw new Error(`the device ${this.device} reports: ${fault}`);
    // A backend may keep booleans in another array.
    if (!(data instanceof ARRAYS[dtype])) return ARRAYS[dtype].from(data);
    // Only wasm gives a copy away; what the others return they keep.
    return this.#open.kernels === 'wasm' ? data : data.slice();
  }

  /** The elements where they are, on a device that computes in this process; `undefined` elsewhere. */
  view(tensor: Tensor): Elements | undefined {
    const { typedArrayFromHeap, data } = this.#backend as unknown as HostMemory;
    if (typedArrayFromHeap !== undefined) return typedArrayFromHeap.call(this.#backend, tensor);
    if (this.device !== 'cpu' || data === undefined) return undefined;
    const held = data.get(tensor.dataId);
    // Some kernels leave an array of another type than that of the tensor.
    if (!(held.values instanceof ARRAYS[tensor.dtype])) held.values = ARRAYS[tensor.dtype].from(held.values);
    return held.values;
  }

  /** Whether {@link view} gives what {@link blank} made, so that a function of JavaScript can be a kernel. */
  get isHost(): boolean {
    return this.device === 'cpu' || this.device === 'wasm';
  }

  /** A tensor to be written through its view: of any contents. Making it moves the views of others. */
  blank(shape: readonly number[], dtype: Type): Tensor {
    const { makeOutput, typedArrayFromHeap } = this.#backend as unknown as HostMemory;
    if (makeOutput === undefined || typedArrayFromHeap === undefined) {
      return this.write(new ARRAYS[dtype](sizeOf(shape)), shape, dtype);
    }
    return this.#track(makeOutput.call(this.#backend, [...shape], dtype) as Tensor);
  }

  /** Another handle to the same elements; where a shape belongs to them, to others. */
  alias({ dataId, dtype, shape }: Tensor, as: readonly number[] = shape): Tensor {
    const isOther = as.length !== shape.length || as.some((dim, i) => dim !== shape[i]);
    if (isOther && this.#open.native === true)
      return this.run('Reshape', { x: { dataId, dtype, shape } }, { shape: [...as] });
    this.#backend.incRef(dataId);
    return this.#track({ dataId, dtype, shape: [...as] });
  }

  /** A number, kept for the next time. */
  scalar(value: number, dtype: Type = 'float32'): Tensor {
    const key = `${dtype}${Object.is(value, -0) ? '-0' : value}`;
    let found = this.#scalars.get(key);
    if (found === undefined) {
      found = { dataId: this.#backend.write(ARRAYS[dtype].of(value), [], dtype), shape: [], dtype };
      this.#scalars.set(key, found);
    }
    return found;
  }

  dispose({ dataId }: Tensor): void {
    this.#backend.disposeData(dataId);
  }

  /** Results of `make`, as handles that the caller owns; all else that it makes is freed. */
  scoped(make: () => Tensor | readonly Tensor[]): readonly Tensor[] {
    const outer = this.#scope;
    const own: Tensor[] = [];
    this.#scope = own;
    try {
      const made = make();
      const results = Array.isArray(made) ? (made as readonly Tensor[]) : [made as Tensor];
      const kept: Tensor[] = [];
      for (const result of results) {
        const at = own.lastIndexOf(result);
        if (at >= 0) {
          own.splice(at, 1);
          kept.push(result);
        } else {
          this.#backend.incRef(result.dataId);
          kept.push({ ...result });
        }
      }
      return kept;
    } finally {
      this.#scope = outer;
      for (const tensor of own) this.#backend.disposeData(tensor.dataId);
    }
  }

  /** Frees what it keeps for itself. */
  close(): void {
    for (const tensor of this.#scalars.values()) this.dispose(tensor);
    this.#scalars.clear();
  }

  #track<T extends Tensor>(tensor: T): T {
    this.#scope?.push(tensor);
    return tensor;
  }
}
