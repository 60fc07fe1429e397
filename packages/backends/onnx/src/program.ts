import {
  checkFeeds,
  GraphError,
  type HostNodes,
  type Program,
  staticSpec,
  type TensorData,
  type Tensors,
  type TensorSpec,
  type Value,
} from '@anneal/graph';
import type { Channel, OutputSpec } from './protocol.ts';
import { type FailureContext, runtimeError } from './runtime-error.ts';
import { packed } from './transfer.ts';
import type { Lease } from './weights.ts';

export interface OnnxProgramParts {
  readonly channel: Channel;
  readonly program: number;
  readonly label: string;
  readonly modules: FailureContext['modules'];
  readonly inputs: ReadonlyMap<string, Value>;
  readonly outputs: readonly OutputSpec[];
  readonly lease: Lease | undefined;
  readonly hostNodes: readonly HostNodes[];
}

/** A session in the worker. */
export class OnnxProgram implements Program {
  readonly inputs: ReadonlyMap<string, TensorSpec | undefined>;
  readonly outputs: readonly string[];
  readonly hostNodes: readonly HostNodes[];
  readonly #parts: OnnxProgramParts;
  #disposed = false;

  constructor(parts: OnnxProgramParts) {
    this.#parts = parts;
    this.hostNodes = parts.hostNodes;
    this.inputs = new Map([...parts.inputs].map(([name, value]) => [name, staticSpec(value)]));
    this.outputs = parts.outputs.filter(({ update }) => update === undefined).map(({ name }) => name);
  }

  async run(feeds: Tensors): Promise<Record<string, TensorData>> {
    const { channel, program, label, modules, inputs } = this.#parts;
    if (this.#disposed) throw new GraphError('ANNEAL_E_BACKEND', `"${label}" is disposed`);
    checkFeeds(label, inputs, feeds);
    const { tensors, transfer } = packed(feeds);
    try {
      return await channel.call('run', { program, feeds: tensors }, transfer);
    } catch (error) {
      throw runtimeError(error, { action: 'run', label, modules });
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const { channel, program, lease } = this.#parts;
    if (channel.isOpen) await channel.call('release', { program });
    await lease?.release();
  }
}
