import { loadTensor, type TensorSource } from '@anneal/graph';
import { packed } from './packed.ts';
import type { Channel } from './protocol.ts';

interface Placed {
  readonly id: number;
  readonly ready: Promise<unknown>;
  users: number;
}

/** Weights on the device, each once however many programs use it. */
export class Weights {
  readonly #channel: Channel;
  readonly #placed = new Map<TensorSource, Placed>();
  #counter = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** The number of a weight on the device; every use is given back by {@link release}. */
  async place(name: string, source: TensorSource): Promise<number> {
    let placed = this.#placed.get(source);
    if (placed === undefined) {
      const id = this.#counter++;
      placed = { id, ready: this.#send(id, name, source), users: 0 };
      this.#placed.set(source, placed);
    }
    placed.users++;
    await placed.ready;
    return placed.id;
  }

  async release(sources: readonly TensorSource[]): Promise<void> {
    const ids: number[] = [];
    for (const source of sources) {
      const placed = this.#placed.get(source);
      if (placed === undefined || --placed.users > 0) continue;
      this.#placed.delete(source);
      ids.push(placed.id);
    }
    if (ids.length > 0 && this.#channel.isOpen) await this.#channel.call('drop', { ids });
  }

  async #send(id: number, name: string, source: TensorSource): Promise<void> {
    const { packets, transfer } = packed(() => `the parameter "${name}"`, { [name]: await loadTensor(source) });
    const [tensor] = Object.values(packets);
    if (tensor) await this.#channel.call('place', { id, tensor }, transfer);
  }
}
