import {
  type Backend,
  type BackendInfo,
  type BackendState,
  checkWiring,
  type CompileOptions,
  type Graph,
  GraphError,
  type Program,
  type TensorSource,
  type TensorSpec,
} from '@anneal/graph';
import { heldAs, unsupported } from './device/types.ts';
import { checkSteps, lower } from './lower.ts';
import { planOf } from './plan.ts';
import { TfjsProgram, type Variant } from './program.ts';
import type { Channel, DeviceFacts } from './protocol.ts';
import { runtimeError } from './runtime-error.ts';
import { TfjsState } from './state.ts';
import { Weights } from './weights.ts';

/** Memory of whatever executes, where it can be told. */
export type MemoryReader = () => { readonly rssBytes?: number | undefined; readonly peakRssBytes: number | undefined };

/** Graphs on TensorFlow.js. */
export class TfjsBackend implements Backend {
  readonly info: BackendInfo;
  readonly #channel: Channel;
  readonly #weights: Weights;
  readonly #memory: MemoryReader;
  #counter = 0;

  constructor(facts: DeviceFacts, channel: Channel, memory: MemoryReader = () => ({ peakRssBytes: undefined })) {
    this.info = { name: 'tfjs', version: facts.version, device: facts.device, threads: undefined };
    this.#channel = channel;
    this.#weights = new Weights(channel);
    this.#memory = memory;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    const { label = graph.name, updates = {} } = options;
    const state = this.#own(options.state, label);
    const inputs = checkWiring(graph, state?.specs, options, label);
    for (const [name, { dtype }] of [...graph.inputs, ...graph.outputs]) {
      if (heldAs(dtype) === undefined) throw unsupported(`"${label}": "${name}"`, dtype, { program: label });
    }
    const program = new TfjsProgram({
      channel: this.#channel,
      graph,
      label,
      inputs,
      outputs: [...graph.outputs.keys()].filter((name) => !Object.hasOwn(updates, name)),
      specialise: (dims) => this.#specialise(graph, dims, options, label, state),
      release: (variant) => this.#release(variant),
    });
    await program.prepare();
    return program;
  }

  async createState(
    tensors: Readonly<Record<string, TensorSource>>,
    zeros: Readonly<Record<string, TensorSpec>> = {},
  ): Promise<BackendState> {
    return TfjsState.create(this.#channel, this.#counter++, tensors, zeros);
  }

  /** Tensors that are alive on the device: a leak shows here. */
  tensorCount(): Promise<number> {
    return this.#channel.call('count', undefined);
  }

  memory(): Promise<{ readonly rssBytes?: number | undefined; readonly peakRssBytes: number | undefined }> {
    return Promise.resolve(this.#memory());
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  async #specialise(
    graph: Graph,
    dims: Readonly<Record<string, number>>,
    { purpose = 'inference', guard, updates = {} }: CompileOptions,
    label: string,
    state: TfjsState | undefined,
  ): Promise<Variant> {
    const lowered = lower(graph, dims, purpose);
    const { plan, weights } = planOf(lowered, (name) => state?.specs.has(name) ?? false, updates);
    const placed = new Set(weights.map(({ register }) => register));
    checkSteps(label, [...plan.prologue, ...plan.steps], (register) => placed.has(register));
    const program = this.#counter++;
    const sources = weights.map(({ data }) => data);
    const ids: { register: number; id: number }[] = [];
    try {
      for (const { register, name, data } of weights) ids.push({ register, id: await this.#weights.place(name, data) });
      await this.#channel.call('compile', { program, plan, weights: ids, state: state?.id, guard });
    } catch (error) {
      await this.#weights.release(sources.slice(0, ids.length));
      throw runtimeError(error, 'compile', label);
    }
    return { program, outputs: plan.outputs, weights: sources };
  }

  async #release({ program, weights }: Variant): Promise<void> {
    if (this.#channel.isOpen) await this.#channel.call('release', { program });
    await this.#weights.release(weights);
  }

  #own(state: BackendState | undefined, label: string): TfjsState | undefined {
    if (state === undefined) return undefined;
    if (state instanceof TfjsState && state.channel === this.#channel) {
      state.assertOpen();
      return state;
    }
    const owner = state instanceof TfjsState ? 'another tfjs backend' : 'another backend';
    throw new GraphError(
      'ANNEAL_E_BACKEND',
      `"${label}": the state belongs to ${owner}, not to tfjs on ${this.info.device}`,
      {
        fix: 'create it with `createState` of the backend that compiles the graph',
      },
    );
  }
}
