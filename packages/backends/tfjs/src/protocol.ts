import type { DType } from '@anneal/graph';
import type { Elements, Type } from './device/kernels.ts';
import type { Plan } from './plan.ts';

/** A tensor on its way to or from a device. */
export interface Packet {
  readonly data: Elements;
  readonly shape: readonly number[];
  readonly dtype: Type;
}

export interface CompileRequest {
  readonly program: number;
  readonly plan: Plan;
  /** Which of the placed weights is in which register. */
  readonly weights: readonly { readonly register: number; readonly id: number }[];
  readonly state: number | undefined;
  /** A scalar output; when it is not finite the state stays as it was. */
  readonly guard: string | undefined;
}

export interface EntrySpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

type Packets = Readonly<Record<string, Packet>>;

/** Every call that an executor answers: `[arguments, result]`. */
export interface Calls {
  place: [args: { readonly id: number; readonly tensor: Packet }, result: undefined];
  drop: [args: { readonly ids: readonly number[] }, result: undefined];
  compile: [args: CompileRequest, result: undefined];
  run: [args: { readonly program: number; readonly feeds: Packets }, result: Record<string, Packet>];
  release: [args: { readonly program: number }, result: undefined];
  readState: [args: { readonly state: number; readonly names: readonly string[] }, result: Record<string, Packet>];
  /** Adds or replaces entries; the state comes into being with its first call. */
  writeState: [args: { readonly state: number; readonly tensors: Packets }, result: undefined];
  /** Fills entries with zeros, making those that are not there. */
  clearState: [
    args: { readonly state: number; readonly entries: Readonly<Record<string, EntrySpec>> },
    result: undefined,
  ];
  dropState: [args: { readonly state: number }, result: undefined];
  /** Tensors that are alive on the device. */
  count: [args: undefined, result: number];
}

export type CallName = keyof Calls;

/** The way to an executor: in this thread or in another. Calls are answered in order. */
export interface Channel {
  readonly isOpen: boolean;
  call<K extends CallName>(name: K, args: Calls[K][0], transfer?: readonly ArrayBuffer[]): Promise<Calls[K][1]>;
  close(): Promise<void>;
}

/** What is known of a device before anything runs. */
export interface DeviceFacts {
  readonly device: string;
  readonly version: string;
  readonly about: string;
  readonly software?: boolean | undefined;
}
