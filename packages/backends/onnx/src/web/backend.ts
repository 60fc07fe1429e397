import {
  type Backend,
  type BackendInfo,
  type BackendState,
  type CompileOptions,
  type Graph,
  GraphError,
  type Program,
  type TensorSource,
  type TensorSpec,
  writeOnnx,
} from '@anneal/graph';
import { modulesOf, optimizationOf, prepare } from '../prepare.ts';
import { runtimeError } from '../runtime-error.ts';
import { wire } from '../wiring.ts';
import { WebProgram } from './program.ts';
import { loadRuntime, plainError, type Runtime } from './runtime.ts';
import { type Queue, WebState } from './state.ts';

/** Options of {@link webBackend}. */
export interface WebBackendOptions {
  /**
   * Folder of `ort-wasm-simd-threaded.mjs` and `.wasm`, as a URL that ends in a slash: both are in the `dist` of the
   * package onnxruntime-web. @defaultValue where the bundler put the `.wasm`, or the folder of the script
   */
  wasmPaths?: string | undefined;
  /**
   * Threads per operator. More than one needs `wasmPaths`, and a page that is cross-origin isolated.
   *
   * @defaultValue `1`
   */
  threads?: number | undefined;
}

/**
 * Starts ONNX Runtime Web, whose kernels run as WebAssembly in the thread that calls: train in a worker to keep a page
 * alive. The runtime starts once per page or worker, with the options of the first backend.
 *
 * ```ts
 * const backend = await webBackend({ wasmPaths: new URL('./', import.meta.url).href });
 * const stage = await openStage({ plugins, dataset, backend });
 * ```
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when an option is wrong or the runtime cannot be loaded.
 */
export async function webBackend({ wasmPaths, threads = 1 }: WebBackendOptions = {}): Promise<Backend> {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new GraphError('ANNEAL_E_BACKEND', `threads must be a whole number of at least 1, received ${threads}`);
  }
  if (threads > 1 && (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false) {
    throw new GraphError('ANNEAL_E_BACKEND', `${threads} threads need a page that is cross-origin isolated`, {
      fix: 'let the server send `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`',
    });
  }
  const runtime = await loadRuntime();
  const { wasm, versions } = runtime.env;
  wasm.numThreads = threads;
  if (wasmPaths !== undefined) wasm.wasmPaths = wasmPaths;
  // Errors are thrown; what ORT prints besides is for its developers.
  runtime.env.logLevel = 'fatal';
  return new WebBackend(runtime, {
    name: 'onnx',
    version: `onnxruntime-web ${versions.web ?? versions.common}`,
    device: 'wasm',
    threads,
  });
}

/** Lets everything run that waits for the thread. A timer would take 4 ms. */
function breathe(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}

/** Graphs on ONNX Runtime Web, in the thread of the caller. */
class WebBackend implements Backend {
  readonly info: BackendInfo;
  readonly #runtime: typeof Runtime;
  readonly #programs = new Set<Program>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(runtime: typeof Runtime, info: BackendInfo) {
    this.#runtime = runtime;
    this.info = info;
  }

  async compile(source: Graph, options: CompileOptions = {}): Promise<Program> {
    const { purpose = 'inference', label = source.name, guard } = options;
    this.#assertOpen();
    const state = this.#own(options.state, label);
    const graph = prepare(source, options);
    const wiring = wire(graph, state, options, label);
    const modules = modulesOf(graph);
    const { model } = await writeOnnx(graph);
    const session = await this.#queue(() =>
      this.#runtime.InferenceSession.create(model, {
        executionProviders: ['wasm'],
        graphOptimizationLevel: optimizationOf(graph, purpose),
        enableMemPattern: false,
        logSeverityLevel: 4,
      }),
    ).catch((error: unknown) => {
      throw runtimeError(plainError(error), { action: 'compile', label, modules });
    });
    const parts = { runtime: this.#runtime, queue: this.#queue, session, wiring, state, guard, label, modules };
    const program = new WebProgram(parts);
    this.#programs.add(program);
    return program;
  }

  async createState(
    tensors: Readonly<Record<string, TensorSource>>,
    zeros: Readonly<Record<string, TensorSpec>> = {},
  ): Promise<BackendState> {
    this.#assertOpen();
    return WebState.create(this, this.#runtime, this.#queue, tensors, zeros);
  }

  /** A page cannot tell. */
  memory(): Promise<{ readonly peakRssBytes: undefined }> {
    return Promise.resolve({ peakRssBytes: undefined });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const program of this.#programs) await program.dispose();
  }

  /** One at a time and in order: programs share state, and the runtime has one heap. */
  readonly #queue: Queue = (work) => {
    const result = this.#last.then(work);
    // The runtime never waits: without a break a worker would hear no message, and a page draw nothing, till the end.
    this.#last = result.catch(() => undefined).then(breathe);
    return result;
  };

  #own(state: BackendState | undefined, label: string): WebState | undefined {
    if (state === undefined) return undefined;
    if (state instanceof WebState && state.owner === this) {
      state.assertOpen();
      return state;
    }
    throw new GraphError('ANNEAL_E_BACKEND', `"${label}": the state belongs to another backend`, {
      fix: 'create it with `createState` of the backend that compiles the graph',
    });
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    throw new GraphError('ANNEAL_E_BACKEND', 'the onnx backend is closed', { fix: 'close it after the last run' });
  }
}
