import {
  checkFeeds,
  GraphError,
  type Program,
  staticSpec,
  type TensorData,
  type Tensors,
  type TensorSpec,
} from '@anneal/graph';
import { runtimeError } from '../runtime-error.ts';
import type { Wiring } from '../wiring.ts';
import { plainError, type Runtime, toData, toTensor } from './runtime.ts';
import type { Queue, WebState } from './state.ts';

export interface WebProgramParts {
  readonly runtime: typeof Runtime;
  readonly queue: Queue;
  readonly session: Runtime.InferenceSession;
  readonly wiring: Wiring;
  readonly state: WebState | undefined;
  readonly guard: string | undefined;
  readonly label: string;
  readonly modules: ReadonlyMap<string, string>;
}

/** A session of ONNX Runtime Web. */
export class WebProgram implements Program {
  readonly inputs: ReadonlyMap<string, TensorSpec | undefined>;
  readonly outputs: readonly string[];
  readonly #parts: WebProgramParts;
  #disposed = false;

  constructor(parts: WebProgramParts) {
    const { inputs, outputs } = parts.wiring;
    this.#parts = parts;
    this.inputs = new Map([...inputs].map(([name, value]) => [name, staticSpec(value)]));
    this.outputs = outputs.filter(({ update }) => update === undefined).map(({ name }) => name);
  }

  run(feeds: Tensors): Promise<Record<string, TensorData>> {
    const { queue, label, modules, wiring } = this.#parts;
    return queue(async () => {
      if (this.#disposed) throw new GraphError('ANNEAL_E_BACKEND', `"${label}" is disposed`);
      checkFeeds(label, wiring.inputs, feeds);
      try {
        return await this.#run(feeds);
      } catch (error) {
        throw runtimeError(plainError(error), { action: 'run', label, modules });
      }
    });
  }

  dispose(): Promise<void> {
    return this.#parts.queue(async () => {
      if (this.#disposed) return;
      this.#disposed = true;
      await this.#parts.session.release();
    });
  }

  async #run(feeds: Tensors): Promise<Record<string, TensorData>> {
    const { runtime, session, wiring, state, guard } = this.#parts;
    state?.assertOpen();
    const inputs: Record<string, Runtime.Tensor> = {};
    for (const [name, value] of Object.entries(feeds)) inputs[name] = toTensor(runtime, value);
    for (const name of wiring.stateInputs) inputs[name] = (state as WebState).get(name);
    const outputs = await session.run(
      inputs,
      wiring.outputs.map(({ name }) => name),
    );
    const results: Record<string, TensorData> = {};
    for (const { name, update } of wiring.outputs) {
      if (update === undefined) results[name] = toData(outputs[name] as Runtime.Tensor);
      else checkUpdate(name, update, outputs[name] as Runtime.Tensor, (state as WebState).get(update));
    }
    // Only now that all are right: a failed run leaves the state as it was.
    if (guard !== undefined && !Number.isFinite(Number(results[guard]?.data[0]))) return results;
    for (const { name, update } of wiring.outputs) {
      if (update !== undefined) state?.set(update, outputs[name] as Runtime.Tensor);
    }
    return results;
  }
}

/** Sizes that the graph leaves open are known only now. */
function checkUpdate(name: string, entry: string, value: Runtime.Tensor, old: Runtime.Tensor): void {
  if (value.type === old.type && value.dims.join() === old.dims.join()) return;
  throw new Error(`output "${name}" is ${value.type}[${value.dims}], the state "${entry}" is ${old.type}[${old.dims}]`);
}
