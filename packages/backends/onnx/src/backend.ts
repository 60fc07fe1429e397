import {
  type Backend,
  type BackendInfo,
  type BackendState,
  byteLengthOf,
  type CompileOptions,
  type Graph,
  GraphError,
  type HostNodes,
  type Parameter,
  type Program,
  type MemoryPlan,
  type PlannedProgram,
  type TensorSource,
  type TensorSpec,
  writeOnnx,
} from '@anneal/graph';
import { DEVICES } from './devices.ts';
import { peakRssBytes } from './memory.ts';
import { planMemory } from './memory-plan/plan.ts';
import { canMute, muted } from './mute.ts';
import { hostNodes } from './placement.ts';
import { modulesOf, optimizationOf, prepare } from './prepare.ts';
import { OnnxProgram } from './program.ts';
import type { Channel, CompileRequest, SessionConfig } from './protocol.ts';
import { runtimeError } from './runtime-error.ts';
import type { SessionFolder } from './session-folder.ts';
import { OnnxState } from './state.ts';
import { type Lease, WeightStore } from './weights.ts';
import { wire } from './wiring.ts';

/** Smaller parameters, and the parameters of a model that has little more than this of them, travel in the model. */
const INLINE_TENSOR_BYTES = 4096;
const INLINE_MODEL_BYTES = 2 ** 20;

export interface OnnxBackendParts {
  readonly info: BackendInfo;
  readonly channel: Channel;
  readonly folder: SessionFolder;
  readonly session: Omit<SessionConfig, 'purpose' | 'optimization'>;
}

/** Graphs on ONNX Runtime, in a worker thread. */
export class OnnxBackend implements Backend {
  readonly info: BackendInfo;
  /** What a device takes is not known. */
  readonly planMemory: Backend['planMemory'];
  readonly #channel: Channel;
  readonly #folder: SessionFolder;
  readonly #session: Omit<SessionConfig, 'purpose' | 'optimization'>;
  readonly #weights: WeightStore;
  #counter = 0;

  constructor({ info, channel, folder, session }: OnnxBackendParts) {
    this.info = info;
    this.#channel = channel;
    this.#folder = folder;
    this.#session = session;
    this.#weights = new WeightStore(folder);
    if (session.device === 'cpu') this.planMemory = (programs, state) => this.#planMemory(programs, state);
  }

  async compile(source: Graph, options: CompileOptions = {}): Promise<Program> {
    const { purpose = 'inference', label = source.name, guard } = options;
    const program = this.#counter++;
    const state = this.#own(options.state, label);
    const { device } = this.#session;
    const graph = prepare(source, options, device);
    const { inputs, stateInputs, outputs } = wire(graph, state, options, label);
    const modules = modulesOf(graph);
    const updating = outputs.some(({ update }) => update !== undefined);
    const mute = updating && outputs.every(({ shape }) => shape !== undefined) && this.#mutes;
    const lease = await this.#place(graph);
    let onHost: readonly HostNodes[] = [];
    try {
      const { model } = await writeOnnx(graph, { stored: (_name, { data }) => lease?.find(data) });
      const bytes = mute ? muted(model) : model;
      const request: CompileRequest = {
        program,
        model: bytes,
        folder: lease && this.#folder.open(),
        session: { ...this.#session, purpose, optimization: optimizationOf(graph, purpose) },
        state: state?.id,
        stateInputs,
        outputs,
        guard,
        muted: mute,
      };
      const answer = await this.#channel.call('compile', request, [bytes.buffer]);
      if (answer.onHost) onHost = await this.#hostNodes(graph, request.session);
    } catch (error) {
      await lease?.release();
      throw runtimeError(error, { action: 'compile', label, modules });
    }
    return new OnnxProgram({
      channel: this.#channel,
      program,
      label,
      modules,
      inputs,
      outputs,
      lease,
      hostNodes: onHost,
    });
  }

  async createState(
    tensors: Readonly<Record<string, TensorSource>>,
    zeros: Readonly<Record<string, TensorSpec>> = {},
  ): Promise<BackendState> {
    return OnnxState.create(this.#channel, this.#counter++, tensors, zeros);
  }

  /** The worker is a thread: its memory is the process's. A weight file that two programs map counts twice. */
  memory(): Promise<{ readonly rssBytes: number; readonly peakRssBytes: number }> {
    return Promise.resolve({ rssBytes: process.memoryUsage.rss(), peakRssBytes: peakRssBytes() });
  }

  async close(): Promise<void> {
    await this.#channel.close();
    this.#folder.remove();
  }

  #planMemory(programs: readonly PlannedProgram[], state: Readonly<Record<string, TensorSpec>>): MemoryPlan {
    const prepared = programs.map((program) => ({ ...program, graph: prepare(program.graph, program) }));
    return planMemory(prepared, state, { mutes: this.#mutes });
  }

  /** Results are copied out of a device that keeps state. */
  get #mutes(): boolean {
    return canMute(this.info.version) && !DEVICES[this.#session.device].keepsState;
  }

  #hostNodes(graph: Graph, session: SessionConfig): Promise<readonly HostNodes[]> {
    return hostNodes(graph, async (one) => {
      const { model } = await writeOnnx(one);
      return this.#channel.call('places', { model, session });
    });
  }

  #own(state: BackendState | undefined, label: string): OnnxState | undefined {
    if (state === undefined) return undefined;
    if (state instanceof OnnxState && state.channel === this.#channel) {
      state.assertOpen();
      return state;
    }
    throw new GraphError('ANNEAL_E_BACKEND', `"${label}": the state belongs to another backend`, {
      fix: 'create it with `createState` of the backend that compiles the graph',
    });
  }

  /** Puts the parameters into files, unless they are too few to be worth it. */
  async #place(graph: Graph): Promise<Lease | undefined> {
    const bytes = ({ data }: Parameter): number => byteLengthOf(data.dtype, data.shape);
    const large = [...graph.parameters.values()].filter((parameter) => bytes(parameter) >= INLINE_TENSOR_BYTES);
    const total = large.reduce((sum, parameter) => sum + bytes(parameter), 0);
    return total < INLINE_MODEL_BYTES ? undefined : this.#weights.place(large.map(({ data }) => data));
  }
}
