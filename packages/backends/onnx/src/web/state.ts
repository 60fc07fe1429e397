import {
  type BackendState,
  checkTensor,
  GraphError,
  isLazy,
  loadTensor,
  type TensorData,
  type Tensors,
  type TensorSource,
  type TensorSpec,
} from '@anneal/graph';
import { checkEdgeType } from '../interface.ts';
import type { EntrySpec } from '../protocol.ts';
import { blank, copyOf, type Runtime, toData, toTensor } from './runtime.ts';

/** Runs work one after the other. */
export type Queue = <T>(work: () => Promise<T>) => Promise<T>;

/** Tensors in the memory of the page. */
export class WebState implements BackendState {
  readonly specs: ReadonlyMap<string, TensorSpec>;
  readonly owner: object;
  readonly #runtime: typeof Runtime;
  readonly #queue: Queue;
  readonly #entries = new Map<string, Runtime.Tensor>();
  #disposed = false;

  private constructor(owner: object, runtime: typeof Runtime, queue: Queue, specs: ReadonlyMap<string, TensorSpec>) {
    this.owner = owner;
    this.#runtime = runtime;
    this.#queue = queue;
    this.specs = specs;
  }

  static async create(
    owner: object,
    runtime: typeof Runtime,
    queue: Queue,
    tensors: Readonly<Record<string, TensorSource>>,
    zeros: Readonly<Record<string, TensorSpec>>,
  ): Promise<WebState> {
    const specs = new Map<string, TensorSpec>();
    for (const [name, { dtype, shape }] of [...Object.entries(tensors), ...Object.entries(zeros)]) {
      checkEdgeType(`the state "${name}"`, dtype);
      specs.set(name, { dtype, shape: [...shape] });
    }
    const state = new WebState(owner, runtime, queue, specs);
    for (const [name, value] of Object.entries(tensors)) {
      if (!isLazy(value)) checkTensor(`the state "${name}"`, value, value);
      state.set(name, toTensor(runtime, copyOf(await loadTensor(value))));
    }
    for (const [name, spec] of Object.entries(zeros)) state.set(name, blank(runtime, spec as EntrySpec));
    return state;
  }

  get names(): readonly string[] {
    return [...this.specs.keys()];
  }

  get(name: string): Runtime.Tensor {
    return this.#entries.get(name) as Runtime.Tensor;
  }

  set(name: string, value: Runtime.Tensor): void {
    this.#entries.set(name, value);
  }

  read(names: readonly string[] = this.names): Promise<Record<string, TensorData>> {
    return this.#queue(async () => {
      this.assertOpen();
      for (const name of names) this.#spec(name);
      return Object.fromEntries(names.map((name) => [name, copyOf(toData(this.get(name)))]));
    });
  }

  write(tensors: Tensors): Promise<void> {
    return this.#queue(async () => {
      this.assertOpen();
      for (const [name, value] of Object.entries(tensors)) checkTensor(`the state "${name}"`, value, this.#spec(name));
      for (const [name, value] of Object.entries(tensors)) this.set(name, toTensor(this.#runtime, copyOf(value)));
    });
  }

  clear(names: readonly string[]): Promise<void> {
    return this.#queue(async () => {
      this.assertOpen();
      for (const name of names) this.set(name, blank(this.#runtime, this.#spec(name) as EntrySpec));
    });
  }

  dispose(): Promise<void> {
    return this.#queue(async () => {
      this.#disposed = true;
      this.#entries.clear();
    });
  }

  /** @throws GraphError `ANNEAL_E_BACKEND` when it is disposed. */
  assertOpen(): void {
    if (this.#disposed) throw new GraphError('ANNEAL_E_BACKEND', 'the state is disposed');
  }

  #spec(name: string): TensorSpec {
    const spec = this.specs.get(name);
    if (spec !== undefined) return spec;
    throw new GraphError('ANNEAL_E_BACKEND', `the state has no entry "${name}"`, {
      fix: `it has ${this.names.slice(0, 20).join(', ')}`,
    });
  }
}
