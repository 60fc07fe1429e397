import type { TensorData, TypedArray } from '@anneal/graph';
import { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { EDGE_ARRAYS, type EdgeType } from './edge-types.ts';
import { isMuted, MUTE } from './mute.ts';
import type { CallName, Calls, CompileRequest, EntrySpec, OutputSpec, Request } from './protocol.ts';
import { sessionOptions } from './session-options.ts';

/** A result and the buffers in it that need not be copied. */
export interface Answer<K extends CallName = CallName> {
  readonly result: Calls[K][1];
  readonly transfer: readonly ArrayBuffer[];
}

type Handlers = { [K in CallName]: (args: Calls[K][0]) => Answer<K> | Promise<Answer<K>> };

interface Compiled {
  readonly session: InferenceSession;
  readonly request: CompileRequest;
}

/** Sessions and state of one backend. Lives in the worker; knows nothing of graphs. */
export class Executor {
  readonly #programs = new Map<number, Compiled>();
  readonly #states = new Map<number, State>();

  handle<K extends CallName>(request: Request<K>): Promise<Answer<K>> {
    const handler: (args: Calls[K][0]) => Answer<K> | Promise<Answer<K>> = this.#handlers[request.name];
    return Promise.resolve(handler(request.args));
  }

  readonly #handlers: Handlers = {
    facts: () =>
      answer({
        version: `onnxruntime-node ${env.versions.node ?? 'unknown'}`,
        providers: listSupportedBackends().map(({ name, bundled }) => ({ name, bundled })),
      }),
    compile: async (request) => {
      const session = await InferenceSession.create(request.model, sessionOptions(request.session, request.folder));
      // The bytes are parsed by now; keeping them would double a model with inline weights.
      this.#programs.set(request.program, { session, request: { ...request, model: new Uint8Array(0) } });
      return answer(undefined);
    },
    run: async ({ program, feeds }) => {
      const compiled = this.#programs.get(program);
      if (compiled === undefined) throw new Error('the program is disposed');
      const { request } = compiled;
      const state = request.state === undefined ? undefined : this.#state(request.state);
      const inputs: Record<string, Tensor> = {};
      for (const [name, value] of Object.entries(feeds)) inputs[name] = toTensor(value);
      for (const name of request.stateInputs) inputs[name] = (state as State).get(name);
      return moved(await (request.muted ? runMuted : runCopied)(compiled, inputs, state));
    },
    release: async ({ program }) => {
      await this.#programs.get(program)?.session.release();
      this.#programs.delete(program);
      return answer(undefined);
    },
    readState: ({ state, names }) => {
      const entries = this.#state(state);
      return moved(Object.fromEntries(names.map((name) => [name, copyOf(entries.get(name))])));
    },
    writeState: ({ state, tensors }) => {
      const entries = this.#states.get(state) ?? new State();
      this.#states.set(state, entries);
      for (const [name, value] of Object.entries(tensors)) entries.set(name, toTensor(value));
      return answer(undefined);
    },
    clearState: ({ state, entries }) => {
      const known = this.#states.get(state) ?? new State();
      this.#states.set(state, known);
      for (const [name, spec] of Object.entries(entries)) known.clear(name, spec);
      return answer(undefined);
    },
    dropState: ({ state }) => {
      this.#states.delete(state);
      return answer(undefined);
    },
  };

  #state(id: number): State {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error('the state is disposed');
    return state;
  }
}

/** Tensors by name, and the buffers that the next run of a program may write. */
class State {
  readonly #entries = new Map<string, Tensor>();
  /** Former contents, by type and shape: never those of a tensor that is being read. */
  readonly #spares = new Map<string, Tensor[]>();

  get(name: string): Tensor {
    return this.#entries.get(name) as Tensor;
  }

  set(name: string, value: Tensor): void {
    this.#entries.set(name, value);
  }

  clear(name: string, spec: EntrySpec): void {
    const known = this.#entries.get(name);
    if (known === undefined) this.#entries.set(name, blank(spec));
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
    this.set(name, written);
    this.giveBack(old);
  }
}

/** Every result goes into a buffer of ours, no copy is made: see {@link MUTE}. */
async function runMuted(
  { session, request }: Compiled,
  inputs: Record<string, Tensor>,
  state: State | undefined,
): Promise<Record<string, TensorData>> {
  const targets = request.outputs.map((spec): [OutputSpec, Tensor] => [spec, targetOf(spec, state)]);
  const fetches: Record<string, Tensor | null> = { [MUTE]: null };
  for (const [spec, target] of targets) fetches[spec.name] = target;
  try {
    await session.run(inputs, fetches);
  } catch (error) {
    if (!isMuted(error)) {
      for (const [spec, target] of targets) if (isBorrowed(spec)) state?.giveBack(target);
      throw error;
    }
  }
  const results: Record<string, TensorData> = {};
  for (const [spec, target] of targets) if (spec.update === undefined) results[spec.name] = toData(target);
  const valid = isFinite(results, request.guard);
  for (const [spec, target] of targets) {
    if (!isBorrowed(spec)) continue;
    if (valid) state?.swap(spec.update, target);
    else state?.giveBack(target);
  }
  return results;
}

/** Where a result is written. */
function targetOf(spec: OutputSpec, state: State | undefined): Tensor {
  if (spec.update === undefined) return blank(spec);
  return spec.inPlace ? (state as State).get(spec.update) : (state as State).borrow(spec);
}

function isBorrowed(spec: OutputSpec): spec is OutputSpec & { readonly update: string } {
  return spec.update !== undefined && !spec.inPlace;
}

/** The runtime allocates the results and copies them out. */
async function runCopied(
  { session, request }: Compiled,
  inputs: Record<string, Tensor>,
  state: State | undefined,
): Promise<Record<string, TensorData>> {
  const outputs = await session.run(
    inputs,
    request.outputs.map(({ name }) => name),
  );
  const updates: [string, Tensor][] = [];
  const results: Record<string, TensorData> = {};
  for (const spec of request.outputs) {
    const value = outputs[spec.name] as Tensor;
    if (spec.update === undefined) {
      results[spec.name] = toData(value);
      continue;
    }
    const old = (state as State).get(spec.update);
    if (spareKey(value.type, value.dims) !== spareKey(old.type, old.dims)) {
      throw new Error(
        `output "${spec.name}" is ${value.type}[${value.dims}], the state "${spec.update}" is ${old.type}[${old.dims}]`,
      );
    }
    updates.push([spec.update, value]);
  }
  // Only now that all are right: a failed run leaves the state as it was.
  if (isFinite(results, request.guard)) for (const [name, value] of updates) state?.set(name, value);
  return results;
}

function isFinite(results: Record<string, TensorData>, guard: string | undefined): boolean {
  return guard === undefined || Number.isFinite(Number(results[guard]?.data[0]));
}

function answer<K extends CallName>(result: Calls[K][1]): Answer<K> {
  return { result, transfer: [] };
}

function moved<K extends 'run' | 'readState'>(result: Record<string, TensorData>): Answer<K> {
  return { result, transfer: Object.values(result).map(({ data }) => data.buffer as ArrayBuffer) };
}

function toTensor({ dtype, shape, data }: TensorData): Tensor {
  return new Tensor(dtype as Tensor.Type, data as Tensor.DataType, shape);
}

function toData({ type, dims, data }: Tensor): TensorData {
  return { dtype: type as EdgeType, shape: [...dims], data: data as TypedArray };
}

function copyOf(tensor: Tensor): TensorData {
  const { dtype, shape, data } = toData(tensor);
  return { dtype, shape, data: data.slice() };
}

function blank({ dtype, shape = [] }: Pick<OutputSpec, 'dtype' | 'shape'>): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return toTensor({ dtype, shape, data: new EDGE_ARRAYS[dtype](size) });
}

function spareKey(dtype: string, shape: readonly number[] | undefined): string {
  return `${dtype}[${shape}]`;
}
