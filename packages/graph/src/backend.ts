import type { DType } from './dtype.ts';
import type { Graph } from './ir.ts';
import type { TensorData, TensorSource } from './tensor.ts';

/** Tensors by input or output name. */
export type Tensors = Readonly<Record<string, TensorData>>;

/** What a tensor is like, without its elements. */
export interface TensorSpec {
  /** Of the elements. */
  readonly dtype: DType;
  /** Outermost axis first. */
  readonly shape: readonly number[];
}

/** Facts that plans and plugins ask for before anything runs. */
export interface BackendInfo {
  /** `onnx`, `tfjs`, `reference`. */
  readonly name: string;
  /** Name and version of the runtime behind it, e.g. `onnxruntime-node 1.30.0`: part of cache keys. */
  readonly version: string;
  /** The device that was chosen: `cpu`, `webgpu`, `cuda` … */
  readonly device: string;
  /** Threads per operator, where that is known. */
  readonly threads: number | undefined;
}

/** Whether a device of a backend works on this machine: one fact of a backend's self-test. */
export interface DeviceProbe {
  /** As `device` of the config names it. */
  readonly device: string;
  /** What it is: an adapter, a library, a version. */
  readonly about?: string | undefined;
  /** Why it does not work; absent when it does. */
  readonly problem?: string | undefined;
  /** What would make it work. */
  readonly fix?: string | undefined;
  /** Rate of a float32 product in 10⁹ operations per second, where it was measured. */
  readonly gflops?: number | undefined;
}

/** How a graph is compiled. */
export interface CompileOptions {
  /** Tensors that live with the backend. Graph inputs of these names are fed from it. */
  readonly state?: BackendState | undefined;
  /** Graph outputs that replace an entry of the state after each run: `{ [outputName]: stateName }`. */
  readonly updates?: Readonly<Record<string, string>> | undefined;
  /**
   * A scalar output that must be finite for the updates to take effect: when it is NaN or infinite the run leaves the
   * state as it was. The output is returned as any other.
   */
  readonly guard?: string | undefined;
  /**
   * Write updates over the entries themselves, where nothing reads the old elements afterwards, instead of into a second
   * buffer. A run that fails may leave such entries half written. Not together with `guard`. @defaultValue `false`
   */
  readonly inPlace?: boolean | undefined;
  /**
   * The output that the forward pass of a training step ends in: results that are cheap to compute may then be computed
   * again in the backward pass instead of being kept. @defaultValue none: everything is kept
   */
  readonly loss?: string | undefined;
  /**
   * `training`: compiled for a static shape and many runs, weights are not packed a second time. `inference`: fastest
   * forward pass, dynamic shapes allowed. @defaultValue `'inference'`
   */
  readonly purpose?: 'training' | 'inference' | undefined;
  /** A name for logs and errors. */
  readonly label?: string | undefined;
}

/**
 * Named tensors that stay where the backend computes (a worker, a GPU) between runs: trainable weights, gradients,
 * optimizer moments. Programs of one backend may share one state.
 */
export interface BackendState {
  /** Of the entries. */
  readonly names: readonly string[];
  /** Copies of the given entries (all when absent). */
  read(names?: readonly string[]): Promise<Record<string, TensorData>>;
  /** Replaces entries. Shapes and dtypes must stay. */
  write(tensors: Tensors): Promise<void>;
  /** Fills entries with zeros. */
  clear(names: readonly string[]): Promise<void>;
  /** Frees the entries; programs must not use them any more. */
  dispose(): Promise<void>;
}

/** Nodes of one operator that run on the CPU because the device has no kernel for them: tensors go there and back. */
export interface HostNodes {
  /** Key of the operator. */
  readonly op: string;
  /** How many. */
  readonly count: number;
  /** Paths of the modules that they belong to. */
  readonly modules: readonly string[];
}

/** A compiled graph. Runs of one program are serialised in call order. */
export interface Program {
  /** What is to be fed, by name; `undefined` where the shape is not static. */
  readonly inputs: ReadonlyMap<string, TensorSpec | undefined>;
  /** Names of what a run returns. */
  readonly outputs: readonly string[];
  /** What does not run on the device, where that can be told. */
  readonly hostNodes?: readonly HostNodes[] | undefined;
  /**
   * Runs once. `feeds` gives every graph input that is not in the state; the result has every output that is not an
   * update.
   *
   * @throws GraphError `ANNEAL_E_BACKEND` with the runtime's own message as cause.
   */
  run(feeds: Tensors): Promise<Record<string, TensorData>>;
  /** Frees the program. */
  dispose(): Promise<void>;
}

/** A program that is to be compiled, with what {@link CompileOptions} would say. Shapes are static. */
export interface PlannedProgram extends Pick<CompileOptions, 'updates' | 'purpose' | 'inPlace' | 'loss'> {
  /** What it computes. */
  readonly graph: Graph;
}

/** What programs will take together at their peak, in bytes, beside what the process has already. */
export interface MemoryPlan {
  /** Weights of the graphs; those that lie in files count once, however many programs use them. */
  readonly weights: number;
  /** State entries, and the second copy of those that are updated. */
  readonly state: number;
  /** Intermediate results: of all programs, as a runtime keeps what a program once took. */
  readonly activations: number;
  /** The runtime itself, graphs, constants, inputs and outputs. */
  readonly programs: number;
}

/** Executes graphs. The same interface serves training, evaluation and audits. */
export interface Backend {
  /** Who computes, and on what. */
  readonly info: BackendInfo;
  /** Makes a graph ready to run. @throws GraphError `ANNEAL_E_BACKEND` for what the runtime refuses */
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** Tensors whose bytes lie elsewhere are read one after the other; `zeros` are entries that need not be sent. */
  createState(
    tensors: Readonly<Record<string, TensorSource>>,
    zeros?: Readonly<Record<string, TensorSpec>>,
  ): Promise<BackendState>;
  /** Predicts what programs of one state will take, before anything is compiled; absent where that is not known. */
  readonly planMemory?:
    | ((programs: readonly PlannedProgram[], state: Readonly<Record<string, TensorSpec>>) => MemoryPlan)
    | undefined;
  /** Resident memory of whatever executes, now and at its peak, in bytes, where it can be told. */
  memory(): Promise<{ readonly rssBytes?: number | undefined; readonly peakRssBytes: number | undefined }>;
  /** Frees all programs and states. */
  close(): Promise<void>;
}
