import type { Backend, BackendInfo, BackendState, CompileOptions, Program, Tensors, TensorSpec } from '../backend.ts';
import { GraphError } from '../error.ts';
import type { Graph, Value } from '../ir.ts';
import { loadTensor, type TensorData, type TensorSource, zeros } from '../tensor.ts';
import { evaluate } from './evaluate.ts';

const copy = ({ dtype, shape, data }: TensorData): TensorData => ({ dtype, shape: [...shape], data: data.slice() });

function fail(message: string, fix?: string): GraphError {
  return new GraphError('ANNEAL_E_BACKEND', message, { fix });
}

/** @throws GraphError `ANNEAL_E_DTYPE` or `ANNEAL_E_SHAPE` when a tensor cannot be what it is meant for. */
function check(what: string, given: TensorData, { dtype, shape }: Pick<Value, 'dtype' | 'shape'>): void {
  if (given.dtype !== dtype) {
    throw new GraphError('ANNEAL_E_DTYPE', `${what} must be ${dtype}, received ${given.dtype}`);
  }
  const fits = (dim: number | string, i: number): boolean => typeof dim === 'string' || dim === given.shape[i];
  if (given.shape.length !== shape.length || !shape.every(fits)) {
    const [wanted, received] = [shape.join(', '), given.shape.join(', ')];
    throw new GraphError('ANNEAL_E_SHAPE', `${what} must have the shape [${wanted}], received [${received}]`);
  }
}

class ReferenceState implements BackendState {
  readonly #tensors: Map<string, TensorData>;
  #disposed = false;

  constructor(tensors: Tensors) {
    this.#tensors = new Map(Object.entries(tensors).map(([name, value]) => [name, copy(value)]));
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  get(name: string): TensorData {
    if (this.#disposed) throw fail('the state is disposed');
    const found = this.#tensors.get(name);
    if (found === undefined) throw fail(`the state has no entry "${name}"`, `it has ${this.names.join(', ')}`);
    return found;
  }

  set(name: string, value: TensorData): void {
    check(`the state "${name}"`, value, this.get(name));
    this.#tensors.set(name, value);
  }

  async read(names: readonly string[] = this.names): Promise<Record<string, TensorData>> {
    if (this.#disposed) throw fail('the state is disposed');
    return Object.fromEntries(names.map((name) => [name, copy(this.get(name))]));
  }

  async write(tensors: Tensors): Promise<void> {
    for (const [name, value] of Object.entries(tensors)) check(`the state "${name}"`, value, this.get(name));
    for (const [name, value] of Object.entries(tensors)) this.set(name, copy(value));
  }

  async clear(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const { dtype, shape } = this.get(name);
      this.#tensors.set(name, zeros(dtype, shape));
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#tensors.clear();
  }
}

class ReferenceProgram implements Program {
  readonly inputs: ReadonlyMap<string, TensorSpec | undefined>;
  readonly outputs: readonly string[];
  readonly #graph: Graph;
  readonly #label: string;
  readonly #state: ReferenceState | undefined;
  readonly #updates: Readonly<Record<string, string>>;
  readonly #guard: string | undefined;
  #disposed = false;

  constructor(graph: Graph, state: ReferenceState | undefined, options: CompileOptions) {
    const { updates = {}, guard, inPlace = false, label = graph.name } = options;
    if (inPlace && guard !== undefined) throw fail(`"${label}": \`inPlace\` and \`guard\` exclude each other`);
    this.#graph = graph;
    this.#label = label;
    this.#state = state;
    this.#updates = updates;
    this.#guard = guard;
    this.inputs = new Map([...graph.inputs].filter(([name]) => !state?.has(name)).map(([name, v]) => [name, spec(v)]));
    this.outputs = [...graph.outputs.keys()].filter((name) => !Object.hasOwn(updates, name));
    for (const [name, value] of graph.inputs) {
      if (state?.has(name)) check(`"${label}": the state "${name}"`, state.get(name), value);
    }
    const taken = new Map<string, string>();
    for (const [name, entry] of Object.entries(updates)) {
      if (!graph.outputs.has(name))
        throw fail(`"${label}": \`updates\` names the output "${name}", which is not there`);
      if (state === undefined) throw fail(`"${label}": \`updates\` need a \`state\``);
      if (!state.has(entry))
        throw fail(`"${label}": the state has no entry "${entry}"`, `it has ${state.names.join(', ')}`);
      const other = taken.get(entry);
      if (other !== undefined) throw fail(`"${label}": "${other}" and "${name}" both replace the entry "${entry}"`);
      taken.set(entry, name);
    }
    if (guard !== undefined && !this.outputs.includes(guard)) {
      throw fail(`"${label}": the guard "${guard}" must be an output that is not an update`);
    }
  }

  async run(feeds: Tensors): Promise<Record<string, TensorData>> {
    if (this.#disposed) throw fail(`"${this.#label}" is disposed`);
    const state = this.#state;
    const all: Record<string, TensorData> = {};
    for (const [name, value] of this.#graph.inputs) {
      const given = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
      if (state?.has(name)) all[name] = state.get(name);
      else if (given === undefined) throw fail(`"${this.#label}": the input "${name}" is not given`);
      else {
        check(`"${this.#label}": the input "${name}"`, given, value);
        all[name] = given;
      }
    }
    for (const name of Object.keys(feeds)) {
      if (!this.inputs.has(name)) {
        throw fail(`"${this.#label}" has no input "${name}"`, `its inputs are ${[...this.inputs.keys()].join(', ')}`);
      }
    }
    const results = this.#evaluate(all);
    if (this.#guard === undefined || Number.isFinite(Number(results[this.#guard]?.data[0]))) {
      for (const [name, entry] of Object.entries(this.#updates)) state?.set(entry, results[name] as TensorData);
    }
    return Object.fromEntries(this.outputs.map((name) => [name, results[name] as TensorData]));
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  #evaluate(feeds: Tensors): Record<string, TensorData> {
    try {
      return evaluate(this.#graph, feeds);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new GraphError('ANNEAL_E_BACKEND', `cannot run "${this.#label}": ${message}`, { cause: error });
    }
  }
}

function spec({ dtype, shape }: Value): TensorSpec | undefined {
  return shape.every((dim) => typeof dim === 'number') ? { dtype, shape: shape as readonly number[] } : undefined;
}

class ReferenceBackend implements Backend {
  readonly info: BackendInfo = { name: 'reference', version: 'reference 1', device: 'cpu', threads: 1 };

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    const { state } = options;
    if (state !== undefined && !(state instanceof ReferenceState)) {
      throw fail(
        'the state belongs to another backend',
        'create it with `createState` of the backend that compiles the graph',
      );
    }
    const parameters = new Map(graph.parameters);
    for (const [name, parameter] of parameters) {
      parameters.set(name, { ...parameter, data: await loadTensor(parameter.data) });
    }
    return new ReferenceProgram({ ...graph, parameters }, state, options);
  }

  async createState(
    tensors: Readonly<Record<string, TensorSource>>,
    empty: Readonly<Record<string, TensorSpec>> = {},
  ): Promise<BackendState> {
    const loaded: Record<string, TensorData> = {};
    for (const [name, source] of Object.entries(tensors)) loaded[name] = await loadTensor(source);
    for (const [name, { dtype, shape }] of Object.entries(empty)) loaded[name] = zeros(dtype, shape);
    return new ReferenceState(loaded);
  }

  async memory(): Promise<{ readonly peakRssBytes: number | undefined }> {
    return { peakRssBytes: undefined };
  }

  async close(): Promise<void> {}
}

/**
 * A backend on the reference interpreter: no runtime, no dependency, slow. For tests, and for graphs of a few thousand
 * elements.
 */
export function referenceBackend(): Backend {
  return new ReferenceBackend();
}
