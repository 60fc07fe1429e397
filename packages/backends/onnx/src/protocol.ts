import type { TensorData, Tensors } from '@anneal/graph';
import type { WorkerChannel } from '@anneal/graph/node';
import type { DeviceName } from './devices.ts';
import type { EdgeType } from './edge-types.ts';

/** What a session is created with; plain data, because it crosses a thread. */
export interface SessionConfig {
  readonly device: DeviceName;
  readonly threads: number | undefined;
  readonly purpose: 'training' | 'inference';
  /** What the runtime's optimizer does: nothing, fold what depends on weights alone, or all that it can. */
  readonly optimization: 'disabled' | 'basic' | 'all';
  readonly deterministic: boolean;
  readonly spin: boolean;
}

/** An output of a program. `shape` is absent where a dimension is symbolic. */
export interface OutputSpec {
  readonly name: string;
  readonly dtype: EdgeType;
  readonly shape: readonly number[] | undefined;
  /** The entry of the state that it replaces. */
  readonly update: string | undefined;
  /** It is written over that entry: see `overwritable`. */
  readonly inPlace: boolean;
}

export interface EntrySpec {
  readonly dtype: EdgeType;
  readonly shape: readonly number[];
}

export interface CompileRequest {
  readonly program: number;
  /** A serialized ModelProto. */
  readonly model: Uint8Array;
  /** Folder of the external data that the model names. */
  readonly folder: string | undefined;
  readonly session: SessionConfig;
  readonly state: number | undefined;
  /** Inputs that are fed from the state. */
  readonly stateInputs: readonly string[];
  readonly outputs: readonly OutputSpec[];
  /** A scalar output; when it is not finite the state stays as it was. */
  readonly guard: string | undefined;
  /** The model's first output is `MUTE` (mute.ts): results are written into buffers of ours and never copied. */
  readonly muted: boolean;
}

/** An execution provider as ONNX Runtime knows it. */
export interface Provider {
  /** E.g. `cpu`. */
  readonly name: string;
  /** Whether its libraries are in the npm package. */
  readonly bundled: boolean;
}

export interface RuntimeFacts {
  /** `onnxruntime-node 1.30.0` */
  readonly version: string;
  readonly providers: readonly Provider[];
}

/** Every call that the worker answers: `[arguments, result]`. */
export interface Calls {
  facts: [args: undefined, result: RuntimeFacts];
  /** Computes something on a device, on which all sessions and state will be from then on. */
  attach: [args: { readonly device: DeviceName }, result: undefined];
  /** Says whether some nodes run on the CPU because the device has no kernel for them. */
  compile: [args: CompileRequest, result: { readonly onHost: boolean }];
  /** Whether a device has kernels for a whole model. */
  places: [args: { readonly model: Uint8Array; readonly session: SessionConfig }, result: boolean];
  run: [args: { readonly program: number; readonly feeds: Tensors }, result: Record<string, TensorData>];
  release: [args: { readonly program: number }, result: undefined];
  readState: [args: { readonly state: number; readonly names: readonly string[] }, result: Record<string, TensorData>];
  /** Adds or replaces entries; the state comes into being with its first call. */
  writeState: [args: { readonly state: number; readonly tensors: Tensors }, result: undefined];
  /** Fills entries with zeros, making those that are not there. */
  clearState: [
    args: { readonly state: number; readonly entries: Readonly<Record<string, EntrySpec>> },
    result: undefined,
  ];
  dropState: [args: { readonly state: number }, result: undefined];
}

export type CallName = keyof Calls;

/** The way to the worker thread. */
export type Channel = WorkerChannel<Calls>;

export interface Request<K extends CallName = CallName> {
  readonly id: number;
  readonly name: K;
  readonly args: Calls[K][0];
}

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly stack: string | undefined } };
