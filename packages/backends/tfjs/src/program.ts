import {
  checkFeeds,
  type Graph,
  GraphError,
  type Program,
  staticSpec,
  type TensorData,
  type Tensors,
  type TensorSource,
  type TensorSpec,
  type Value,
} from '@anneal/graph';
import { fromDevice } from './device/types.ts';
import { packed } from './packed.ts';
import type { PlannedOutput } from './plan.ts';
import type { Channel } from './protocol.ts';
import { runtimeError } from './runtime-error.ts';

/** A graph of one size on the device. */
export interface Variant {
  readonly program: number;
  readonly outputs: readonly PlannedOutput[];
  readonly weights: readonly TensorSource[];
}

export interface TfjsProgramParts {
  readonly channel: Channel;
  readonly graph: Graph;
  readonly label: string;
  /** Inputs that the caller feeds. */
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: readonly string[];
  /** Compiles for sizes of the symbolic dimensions. */
  readonly specialise: (dims: Readonly<Record<string, number>>) => Promise<Variant>;
  readonly release: (variant: Variant) => Promise<void>;
}

/** Sizes that stay compiled; batches of a text come in a few lengths. */
const MAX_VARIANTS = 24;

/** A graph, compiled for each size that it is fed. */
export class TfjsProgram implements Program {
  readonly inputs: ReadonlyMap<string, TensorSpec | undefined>;
  readonly outputs: readonly string[];
  readonly #parts: TfjsProgramParts;
  /** By sizes, the one that was used last at the end. */
  readonly #variants = new Map<string, Variant>();
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(parts: TfjsProgramParts) {
    this.#parts = parts;
    this.inputs = new Map([...parts.inputs].map(([name, value]) => [name, staticSpec(value)]));
    this.outputs = parts.outputs;
  }

  /** Compiles a program whose sizes are known, so that what is wrong with it is known at once. */
  async prepare(): Promise<void> {
    if ([...this.#parts.graph.inputs.values()].every((value) => staticSpec(value) !== undefined))
      await this.#variant({});
  }

  run(feeds: Tensors): Promise<Record<string, TensorData>> {
    const result = this.#last.then(() => this.#run(feeds));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(feeds: Tensors): Promise<Record<string, TensorData>> {
    const { channel, label, inputs } = this.#parts;
    if (this.#disposed) throw new GraphError('ANNEAL_E_BACKEND', `"${label}" is disposed`);
    checkFeeds(label, inputs, feeds);
    const { program, outputs } = await this.#variant(this.#dims(feeds));
    const { packets, transfer } = packed((name) => `"${label}": the input "${name}"`, feeds);
    try {
      const results = await channel.call('run', { program, feeds: packets }, transfer);
      const typed: Record<string, TensorData> = {};
      for (const { name, dtype } of outputs) {
        const packet = results[name];
        if (packet) typed[name] = fromDevice(packet.data, dtype, packet.shape);
      }
      return typed;
    } catch (error) {
      throw runtimeError(error, 'run', label);
    }
  }

  /** Sizes of the symbolic dimensions. @throws GraphError `ANNEAL_E_SHAPE` when feeds disagree. */
  #dims(feeds: Tensors): Record<string, number> {
    const { inputs, label } = this.#parts;
    const dims: Record<string, number> = {};
    for (const [name, { shape }] of inputs) {
      shape.forEach((dim, i) => {
        if (typeof dim === 'number') return;
        const size = feeds[name]?.shape[i] as number;
        const known = dims[dim] ?? size;
        if (known !== size) {
          throw new GraphError('ANNEAL_E_SHAPE', `"${label}": \`${dim}\` is ${known} and ${size} in the same run`, {
            fix: 'dimensions with one name must be equal',
          });
        }
        dims[dim] = size;
      });
    }
    return dims;
  }

  async #variant(dims: Readonly<Record<string, number>>): Promise<Variant> {
    const key = JSON.stringify(dims);
    const variant = this.#variants.get(key) ?? (await this.#parts.specialise(dims));
    this.#variants.delete(key);
    this.#variants.set(key, variant);
    const [oldest] = this.#variants;
    if (this.#variants.size > MAX_VARIANTS && oldest) {
      this.#variants.delete(oldest[0]);
      await this.#parts.release(oldest[1]);
    }
    return variant;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#last;
    for (const variant of this.#variants.values()) await this.#parts.release(variant);
    this.#variants.clear();
  }
}
