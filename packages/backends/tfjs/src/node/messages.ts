import type { CallName, Calls } from '../protocol.ts';

export interface Request<K extends CallName = CallName> {
  readonly id: number;
  readonly name: K;
  readonly args: Calls[K][0];
}

/** What is left of an error behind a thread. */
export interface Failed {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly op?: unknown;
  readonly module?: unknown;
  readonly code?: unknown;
  readonly fix?: unknown;
}

/** The reply to the request of that number; -1 is how the device came up. */
export type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: Failed };
