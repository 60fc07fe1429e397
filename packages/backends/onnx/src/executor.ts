import type { TensorData } from '@anneal/graph';
import { env, InferenceSession, listSupportedBackends, type Tensor } from 'onnxruntime-node';
import { checkDevice, DeviceMemory } from './device-memory.ts';
import { DEVICES } from './devices.ts';
import { blank, discard, Entries, spareKey, toData, toTensor } from './entries.ts';
import { missingLibrary } from './provider-library.ts';
import { isMuted, MUTE } from './mute.ts';
import type { CallName, Calls, CompileRequest, OutputSpec, Request } from './protocol.ts';
import { isFallback, sessionOptions, smallSessionOptions } from './session-options.ts';

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
  readonly #states = new Map<number, Entries>();
  /** Where state is kept on a device. */
  #memory: DeviceMemory | undefined;

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
    attach: async ({ device }) => {
      await checkDevice(device).catch((error: unknown) => {
        throw missingLibrary(device) ?? error;
      });
      if (DEVICES[device].keepsState) this.#memory = new DeviceMemory(device);
      return answer(undefined);
    },
    compile: async (request) => {
      const { session, onHost } = await this.#create(request);
      // The bytes are parsed by now; keeping them would double a model with inline weights.
      this.#programs.set(request.program, { session, request: { ...request, model: new Uint8Array(0) } });
      return answer({ onHost });
    },
    places: async ({ model, session: { device } }) => {
      try {
        const session = await InferenceSession.create(model, smallSessionOptions(device, true));
        await session.release();
        return answer(true);
      } catch (error) {
        if (isFallback(error)) return answer(false);
        throw error;
      }
    },
    run: async ({ program, feeds }) => {
      const compiled = this.#programs.get(program);
      if (compiled === undefined) throw new Error('the program is disposed');
      const { request } = compiled;
      const state = request.state === undefined ? undefined : this.#state(request.state);
      const inputs: Record<string, Tensor> = {};
      for (const [name, value] of Object.entries(feeds)) inputs[name] = toTensor(value);
      for (const name of request.stateInputs) inputs[name] = (state as Entries).get(name);
      return moved(await (request.muted ? runMuted : runCopied)(compiled, inputs, state));
    },
    release: async ({ program }) => {
      await this.#programs.get(program)?.session.release();
      this.#programs.delete(program);
      return answer(undefined);
    },
    readState: async ({ state, names }) => {
      const entries = this.#state(state);
      const result: Record<string, TensorData> = {};
      for (const name of names) result[name] = await entries.read(name);
      return moved(result);
    },
    writeState: async ({ state, tensors }) => {
      const entries = this.#opened(state);
      for (const [name, value] of Object.entries(tensors)) await entries.write(name, toTensor(value));
      return answer(undefined);
    },
    clearState: async ({ state, entries }) => {
      const known = this.#opened(state);
      for (const [name, spec] of Object.entries(entries)) await known.clear(name, spec);
      return answer(undefined);
    },
    dropState: ({ state }) => {
      this.#states.get(state)?.dispose();
      this.#states.delete(state);
      return answer(undefined);
    },
  };

  /** Refuses to compute on the CPU what a device lacks, and then takes it: only so is it known whether it happens. */
  async #create(request: CompileRequest): Promise<{ readonly session: InferenceSession; readonly onHost: boolean }> {
    const { model, session: config, folder } = request;
    const locations = await this.#locations(request);
    const create = (strict: boolean): Promise<InferenceSession> =>
      InferenceSession.create(model, { ...sessionOptions(config, folder, strict), ...locations });
    if (config.device === 'cpu') return { session: await create(false), onHost: false };
    try {
      return { session: await create(true), onHost: false };
    } catch (error) {
      if (!isFallback(error)) throw error;
      return { session: await create(false), onHost: true };
    }
  }

  /** Updates stay on the device. */
  async #locations({
    outputs,
  }: CompileRequest): Promise<Pick<InferenceSession.SessionOptions, 'preferredOutputLocation'>> {
    if (this.#memory === undefined) return {};
    const preferredOutputLocation: Record<string, 'cpu' | 'gpu-buffer'> = {};
    for (const { name, dtype, update } of outputs) {
      const stays = update !== undefined && (await this.#memory.holds(dtype));
      preferredOutputLocation[name] = stays ? 'gpu-buffer' : 'cpu';
    }
    return { preferredOutputLocation };
  }

  #state(id: number): Entries {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error('the state is disposed');
    return state;
  }

  /** The state, which comes into being with its first entries. */
  #opened(id: number): Entries {
    const state = this.#states.get(id) ?? new Entries(this.#memory);
    this.#states.set(id, state);
    return state;
  }
}

/** Every result goes into a buffer of ours, no copy is made: see {@link MUTE}. */
async function runMuted(
  { session, request }: Compiled,
  inputs: Record<string, Tensor>,
  state: Entries | undefined,
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
function targetOf(spec: OutputSpec, state: Entries | undefined): Tensor {
  if (spec.update === undefined) return blank(spec);
  return spec.inPlace ? (state as Entries).get(spec.update) : (state as Entries).borrow(spec);
}

function isBorrowed(spec: OutputSpec): spec is OutputSpec & { readonly update: string } {
  return spec.update !== undefined && !spec.inPlace;
}

/** The runtime allocates the results, and copies out those that do not stay on a device. */
async function runCopied(
  { session, request }: Compiled,
  inputs: Record<string, Tensor>,
  state: Entries | undefined,
): Promise<Record<string, TensorData>> {
  const outputs = await session.run(
    inputs,
    request.outputs.map(({ name }) => name),
  );
  const updates: [string, Tensor][] = [];
  const results: Record<string, TensorData> = {};
  for (const { name, update } of request.outputs) {
    const value = outputs[name] as Tensor;
    if (update === undefined) results[name] = toData(value);
    else updates.push([update, value]);
  }
  // Only when all are right: a failed run leaves the state as it was.
  const wrong = request.outputs.find(
    ({ name, update }) => update !== undefined && !fits(outputs[name], state?.get(update)),
  );
  if (wrong === undefined && isFinite(results, request.guard)) {
    for (const [name, value] of updates) state?.set(name, value);
    return results;
  }
  for (const [, value] of updates) discard(value);
  if (wrong === undefined) return results;
  const [value, old] = [outputs[wrong.name] as Tensor, state?.get(wrong.update as string) as Tensor];
  throw new Error(
    `output "${wrong.name}" is ${value.type}[${value.dims}], the state "${wrong.update}" is ${old.type}[${old.dims}]`,
  );
}

function fits(value: Tensor | undefined, old: Tensor | undefined): boolean {
  return value !== undefined && old !== undefined && spareKey(value.type, value.dims) === spareKey(old.type, old.dims);
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
