import {
  type BackendState,
  byteLengthOf,
  checkTensor,
  GraphError,
  isLazy,
  loadTensor,
  type Tensors,
  type TensorData,
  type TensorSource,
  type TensorSpec,
} from '@anneal/graph';
import { fromDevice, heldAs, unsupported } from './device/types.ts';
import { packed } from './packed.ts';
import type { Channel, EntrySpec } from './protocol.ts';

/** Bytes that are on their way to the device at a time, beside the tensor itself. */
const BATCH_BYTES = 64 * 2 ** 20;

/** Tensors that live on the device. */
export class TfjsState implements BackendState {
  readonly channel: Channel;
  readonly id: number;
  readonly specs: ReadonlyMap<string, TensorSpec>;
  #disposed = false;

  private constructor(channel: Channel, id: number, specs: ReadonlyMap<string, TensorSpec>) {
    this.channel = channel;
    this.id = id;
    this.specs = specs;
  }

  static async create(
    channel: Channel,
    id: number,
    tensors: Readonly<Record<string, TensorSource>>,
    zeros: Readonly<Record<string, TensorSpec>>,
  ): Promise<TfjsState> {
    const specs = new Map<string, TensorSpec>();
    for (const [name, { dtype, shape }] of [...Object.entries(tensors), ...Object.entries(zeros)]) {
      if (heldAs(dtype) === undefined) throw unsupported(`the state "${name}"`, dtype);
      specs.set(name, { dtype, shape: [...shape] });
    }
    for (const [name, value] of Object.entries(tensors)) {
      if (!isLazy(value)) checkTensor(`the state "${name}"`, value, value);
    }
    const state = new TfjsState(channel, id, specs);
    await state.#send(tensors);
    await state.clear(Object.keys(zeros));
    return state;
  }

  get names(): readonly string[] {
    return [...this.specs.keys()];
  }

  async read(names: readonly string[] = this.names): Promise<Record<string, TensorData>> {
    this.assertOpen();
    for (const name of names) this.#spec(name);
    const packets = await this.channel.call('readState', { state: this.id, names });
    return Object.fromEntries(
      Object.entries(packets).map(([name, { data, shape }]) => [name, fromDevice(data, this.#spec(name).dtype, shape)]),
    );
  }

  async write(tensors: Tensors): Promise<void> {
    this.assertOpen();
    for (const [name, value] of Object.entries(tensors)) checkTensor(`the state "${name}"`, value, this.#spec(name));
    await this.#send(tensors);
  }

  async clear(names: readonly string[]): Promise<void> {
    this.assertOpen();
    const entries = Object.fromEntries(names.map((name): [string, EntrySpec] => [name, this.#spec(name)]));
    await this.channel.call('clearState', { state: this.id, entries });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.channel.isOpen) await this.channel.call('dropState', { state: this.id });
  }

  /** In parts, so that no more than one part is in memory twice. */
  async #send(tensors: Readonly<Record<string, TensorSource>>): Promise<void> {
    let part: Record<string, TensorData> = {};
    let bytes = 0;
    const flush = async (): Promise<void> => {
      const { packets, transfer } = packed((name) => `the state "${name}"`, part);
      part = {};
      bytes = 0;
      await this.channel.call('writeState', { state: this.id, tensors: packets }, transfer);
    };
    for (const [name, source] of Object.entries(tensors)) {
      part[name] = await loadTensor(source);
      bytes += byteLengthOf(source.dtype, source.shape);
      if (bytes >= BATCH_BYTES) await flush();
    }
    await flush();
  }

  #spec(name: string): TensorSpec {
    const spec = this.specs.get(name);
    if (spec !== undefined) return spec;
    throw new GraphError('ANNEAL_E_BACKEND', `the state has no entry "${name}"`, {
      fix: `it has ${this.names.slice(0, 20).join(', ')}`,
    });
  }

  /** @throws GraphError `ANNEAL_E_BACKEND` when it is disposed. */
  assertOpen(): void {
    if (this.#disposed) throw new GraphError('ANNEAL_E_BACKEND', 'the state is disposed');
  }
}
