import {
  type BackendState,
  byteLengthOf,
  checkTensor,
  GraphError,
  isLazy,
  loadTensor,
  type TensorData,
  type Tensors,
  type TensorSource,
  type TensorSpec,
} from '@anneal/graph';
import { checkEdgeType } from './interface.ts';
import type { Channel, EntrySpec } from './protocol.ts';
import { packed } from './transfer.ts';

/** Bytes that are on their way to the worker at a time, beside the tensor itself. */
const BATCH_BYTES = 64 * 2 ** 20;

type Sources = Readonly<Record<string, TensorSource>>;

/** Tensors that live in the worker. */
export class OnnxState implements BackendState {
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
    tensors: Sources,
    zeros: Readonly<Record<string, TensorSpec>>,
  ): Promise<OnnxState> {
    const specs = new Map<string, TensorSpec>();
    for (const [name, value] of Object.entries(tensors)) {
      checkEdgeType(`the state "${name}"`, value.dtype);
      if (!isLazy(value)) checkTensor(`the state "${name}"`, value, value);
      specs.set(name, { dtype: value.dtype, shape: [...value.shape] });
    }
    for (const [name, { dtype, shape }] of Object.entries(zeros)) {
      checkEdgeType(`the state "${name}"`, dtype);
      specs.set(name, { dtype, shape: [...shape] });
    }
    const state = new OnnxState(channel, id, specs);
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
    return this.channel.call('readState', { state: this.id, names });
  }

  async write(tensors: Tensors): Promise<void> {
    this.assertOpen();
    for (const [name, value] of Object.entries(tensors)) checkTensor(`the state "${name}"`, value, this.#spec(name));
    await this.#send(tensors);
  }

  async clear(names: readonly string[]): Promise<void> {
    this.assertOpen();
    const entries = Object.fromEntries(names.map((name) => [name, this.#spec(name) as EntrySpec]));
    await this.channel.call('clearState', { state: this.id, entries });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.channel.isOpen) await this.channel.call('dropState', { state: this.id });
  }

  /** In parts, so that no more than one part is in memory twice. */
  async #send(tensors: Sources): Promise<void> {
    let part: Record<string, TensorSource> = {};
    let bytes = 0;
    const flush = async (): Promise<void> => {
      const loaded: Record<string, TensorData> = {};
      for (const [name, source] of Object.entries(part)) loaded[name] = await loadTensor(source);
      // What was read from a file is in nobody else's hands.
      const read = Object.entries(part).filter(([, source]) => isLazy(source) && source.source.path !== undefined);
      const { tensors: copies, transfer } = packed(loaded, new Set(read.map(([name]) => name)));
      part = {};
      bytes = 0;
      await this.channel.call('writeState', { state: this.id, tensors: copies }, transfer);
    };
    for (const [name, value] of Object.entries(tensors)) {
      part[name] = value;
      bytes += byteLengthOf(value.dtype, value.shape);
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
