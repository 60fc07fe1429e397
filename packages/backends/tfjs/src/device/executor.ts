import { GraphError, sizeOf, type TensorData } from '@anneal/graph';
import type { Plan, Step } from '../plan.ts';
import type { CallName, Calls, CompileRequest, Packet } from '../protocol.ts';
import { ruleOf } from '../rules/index.ts';
import { type Execute, staticShape } from '../rules/rule.ts';
import { StepError } from '../step-error.ts';
import { Kernels, type Tensor } from './kernels.ts';
import type { OpenDevice } from './core.ts';
import { fromDevice, heldAs, toDevice } from './types.ts';

type Handlers = { [K in CallName]: (args: Calls[K][0]) => Calls[K][1] | Promise<Calls[K][1]> };

/** A step with everything decided that can be before it runs. */
interface Compiled {
  readonly step: Step;
  readonly execute: Execute;
  /** Registers of the results that are wanted. */
  readonly outputs: readonly number[];
}

interface Program {
  readonly plan: Plan;
  readonly request: CompileRequest;
  readonly steps: readonly Compiled[];
  /** Weights, constants and what depends on them alone, by register. */
  readonly fixed: (Tensor | undefined)[];
  /** Those of them that are the program's own. */
  readonly own: readonly Tensor[];
}

type State = Map<string, Tensor>;

/** Programs and state on one device. Knows plans and nothing of graphs. */
export class Executor {
  readonly kernels: Kernels;
  readonly #weights = new Map<number, Tensor>();
  readonly #programs = new Map<number, Program>();
  readonly #states = new Map<number, State>();
  readonly #lost: Promise<never> | undefined;
  #gone: string | undefined;

  constructor(device: OpenDevice, kernels: Kernels = new Kernels(device)) {
    this.kernels = kernels;
    this.#lost = device.lost?.then((reason) => {
      this.#gone = reason;
      throw this.#goneError();
    });
    // Whoever waits hears of it; when nobody does it is no unhandled rejection.
    this.#lost?.catch(() => undefined);
  }

  /** @throws GraphError `ANNEAL_E_BACKEND` when the device is lost. */
  async handle<K extends CallName>(name: K, args: Calls[K][0]): Promise<Calls[K][1]> {
    if (this.#gone !== undefined) throw this.#goneError();
    const handler: (given: Calls[K][0]) => Calls[K][1] | Promise<Calls[K][1]> = this.#handlers[name];
    const answer = Promise.resolve(handler(args));
    // A read from a device that is lost may never come back.
    return this.#lost === undefined ? answer : Promise.race([answer, this.#lost]);
  }

  #goneError(): GraphError {
    return new GraphError('ANNEAL_E_BACKEND', `the device ${this.kernels.device} is lost: ${this.#gone}`, {
      fix: 'its state is gone: open a new backend and resume from the last checkpoint',
    });
  }

  readonly #handlers: Handlers = {
    place: ({ id, tensor }) => {
      this.#weights.set(id, this.#write(tensor));
      return undefined;
    },
    drop: ({ ids }) => {
      for (const id of ids) {
        const tensor = this.#weights.get(id);
        if (tensor) this.kernels.dispose(tensor);
        this.#weights.delete(id);
      }
      return undefined;
    },
    compile: async (request) => {
      this.#programs.set(request.program, await this.#compile(request));
      return undefined;
    },
    run: ({ program, feeds }) => {
      const found = this.#programs.get(program);
      if (found === undefined) throw new Error('the program is disposed');
      return this.#run(found, feeds);
    },
    release: ({ program }) => {
      for (const tensor of this.#programs.get(program)?.own ?? []) this.kernels.dispose(tensor);
      this.#programs.delete(program);
      return undefined;
    },
    readState: async ({ state, names }) => {
      const entries = this.#state(state);
      const read: Record<string, Packet> = {};
      for (const name of names) read[name] = await this.#read(entries.get(name) as Tensor);
      return read;
    },
    writeState: ({ state, tensors }) => {
      const entries = this.#states.get(state) ?? new Map<string, Tensor>();
      this.#states.set(state, entries);
      for (const [name, packet] of Object.entries(tensors)) this.#replace(entries, name, this.#write(packet));
      return undefined;
    },
    clearState: ({ state, entries }) => {
      const known = this.#states.get(state) ?? new Map<string, Tensor>();
      this.#states.set(state, known);
      for (const [name, { dtype, shape }] of Object.entries(entries)) {
        const type = heldAs(dtype) ?? 'float32';
        const zeros = type === 'float32' ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape));
        const data = type === 'bool' ? new Uint8Array(sizeOf(shape)) : zeros;
        this.#replace(known, name, this.kernels.write(data, shape, type));
      }
      return undefined;
    },
    dropState: ({ state }) => {
      for (const tensor of this.#states.get(state)?.values() ?? []) this.kernels.dispose(tensor);
      this.#states.delete(state);
      return undefined;
    },
    count: () => this.kernels.count,
  };

  #state(id: number): State {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error('the state is disposed');
    return state;
  }

  #write({ data, shape, dtype }: Packet): Tensor {
    return this.kernels.write(data, shape, dtype);
  }

  async #read(tensor: Tensor): Promise<Packet> {
    return { data: await this.kernels.read(tensor), shape: [...tensor.shape], dtype: tensor.dtype };
  }

  #replace(entries: State, name: string, tensor: Tensor): void {
    const old = entries.get(name);
    entries.set(name, tensor);
    if (old) this.kernels.dispose(old);
  }

  async #compile(request: CompileRequest): Promise<Program> {
    const { plan, weights } = request;
    const fixed: (Tensor | undefined)[] = Array.from({ length: plan.registers }, () => undefined);
    const own: Tensor[] = [];
    for (const { register, id } of weights) fixed[register] = this.#weights.get(id);
    try {
      for (const { register, data } of plan.constants) {
        const { data: elements, dtype } = toDevice('a constant', data);
        const tensor = this.kernels.write(elements, data.shape, dtype);
        own.push(tensor);
        fixed[register] = tensor;
      }
      for (const step of plan.prologue.map(compiled)) {
        own.push(...(await this.#step(step, fixed)));
      }
    } catch (error) {
      for (const tensor of own) this.kernels.dispose(tensor);
      throw error;
    }
    return { plan, request, steps: plan.steps.map(compiled), fixed, own };
  }

  async #run(
    { plan, request, steps, fixed }: Program,
    feeds: Readonly<Record<string, Packet>>,
  ): Promise<Record<string, Packet>> {
    const registers = fixed.slice();
    const owned = new Set<number>();
    const own = (register: number, tensor: Tensor): void => {
      registers[register] = tensor;
      owned.add(register);
    };
    const state = request.state === undefined ? undefined : this.#state(request.state);
    try {
      for (const { name, register } of plan.feeds) own(register, this.#write(feeds[name] as Packet));
      for (const { name, register } of plan.entries) registers[register] = state?.get(name);
      for (const compiledStep of steps) {
        const pending = this.#step(compiledStep, registers);
        // Nearly all steps are done when they return.
        if (pending instanceof Promise) await pending;
        for (const register of compiledStep.outputs) owned.add(register);
        for (const register of compiledStep.step.frees) {
          if (!owned.delete(register)) continue;
          this.kernels.dispose(registers[register] as Tensor);
          registers[register] = undefined;
        }
      }
      return await this.#finish(plan, request, registers, state);
    } finally {
      for (const register of owned) this.kernels.dispose(registers[register] as Tensor);
    }
  }

  /** Results are read; updates take effect when all of them, and the guard, are right. */
  async #finish(
    plan: Plan,
    { guard }: CompileRequest,
    registers: readonly (Tensor | undefined)[],
    state: State | undefined,
  ): Promise<Record<string, Packet>> {
    const results: Record<string, Packet> = {};
    const updates: [string, Tensor][] = [];
    for (const { name, register, update } of plan.outputs) {
      const tensor = registers[register] as Tensor;
      if (update === undefined) results[name] = await this.#read(tensor);
      else updates.push([update, tensor]);
    }
    if (guard !== undefined && !Number.isFinite(results[guard]?.data[0])) return results;
    const handles = updates.map(([name, tensor]): [string, Tensor] => [name, this.kernels.alias(tensor)]);
    for (const [name, tensor] of handles) this.#replace(state as State, name, tensor);
    return results;
  }

  /** Puts the results of one step into their registers, and returns them. */
  #step(
    { step, execute, outputs }: Compiled,
    registers: (Tensor | undefined)[],
  ): readonly Tensor[] | Promise<readonly Tensor[]> {
    const inputs = step.inputs.map((register) => (register === undefined ? undefined : registers[register]));
    const done = (host: readonly (TensorData | undefined)[]): readonly Tensor[] => {
      try {
        const results = this.kernels.scoped(() => execute({ k: this.kernels, inputs, host }));
        outputs.forEach((register, i) => (registers[register] = results[i]));
        return results;
      } catch (error) {
        throw stepError(step, error);
      }
    };
    if (step.reads.length === 0) return done(step.constants);
    return (async () => done(await this.#readOperands(step, inputs)))();
  }

  async #readOperands(
    step: Step,
    inputs: readonly (Tensor | undefined)[],
  ): Promise<readonly (TensorData | undefined)[]> {
    const host = [...step.constants];
    for (const i of step.reads) {
      const [tensor, slot] = [inputs[i], step.inputTypes[i]];
      if (tensor && slot) host[i] = fromDevice(await this.kernels.read(tensor), slot.dtype, tensor.shape);
    }
    return host;
  }
}

/** The closure of a step. What has no elements needs no kernel, and kernels do not expect it. */
function compiled(step: Step): Compiled {
  const rule = ruleOf(step);
  if (rule === undefined) throw stepError(step, new Error('there is no such operator'));
  const outputs = step.outputs.filter((register) => register !== undefined);
  const slots = step.outputTypes.filter((slot) => slot !== undefined);
  const shapes = slots.map(staticShape);
  if (shapes.length > 0 && shapes.every((shape) => shape !== undefined && sizeOf(shape) === 0)) {
    const execute: Execute = ({ k }) =>
      slots.map(({ dtype }, i) => {
        const type = heldAs(dtype) ?? 'float32';
        const data =
          type === 'float32' ? new Float32Array(0) : type === 'int32' ? new Int32Array(0) : new Uint8Array(0);
        return k.write(data, shapes[i] as readonly number[], type);
      });
    return { step, execute, outputs };
  }
  try {
    return { step, execute: rule(step), outputs };
  } catch (error) {
    throw stepError(step, error);
  }
}

function stepError({ op, scope }: Step, error: unknown): StepError {
  if (error instanceof StepError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof GraphError ? { code: error.code, fix: error.fix } : {};
  return new StepError(message, { op, module: scope, ...known });
}
