import type { CoreErrorCode } from './codes.ts';

/** Codes of core, or a plugin's own with its prefix: `MYPLUGIN_E_…`. */
export type ErrorCode = CoreErrorCode | `${string}_E_${string}`;

/** What an error knows besides code and message. */
export interface ErrorDetails {
  /** Name of the plugin that failed. */
  readonly plugin?: string | undefined;
  /** Hook in which it failed, e.g. `train.transformLoss`. */
  readonly hook?: string | undefined;
  /** Where in the config: `['plugins', 1, 'rank']`. */
  readonly path?: readonly (string | number)[] | undefined;
  /** File that the error is about. */
  readonly file?: string | undefined;
  /** One line: what to do about it. */
  readonly fix?: string | undefined;
  /** What was caught. */
  readonly cause?: unknown;
  /** More errors found at the same time: option errors are collected, not thrown one by one. */
  readonly also?: readonly AnnealError[] | undefined;
}

const BRAND: unique symbol = Symbol.for('anneal.error') as never;

/** An error with a code and data. Recognise it with {@link isAnnealError}: two copies of core may be installed. */
export class AnnealError extends Error {
  /** Recognises errors of another copy of this package. */
  override readonly name: string = 'AnnealError';
  /** What went wrong, for programs: see `CODES`. */
  readonly code: ErrorCode;
  /** Name of the plugin that failed. */
  readonly plugin: string | undefined;
  /** Hook in which it failed, e.g. `train.transformLoss`. */
  readonly hook: string | undefined;
  /** Where in the config: `['plugins', 1, 'rank']`. */
  readonly path: readonly (string | number)[] | undefined;
  /** File that the error is about. */
  readonly file: string | undefined;
  /** One line: what to do about it. */
  readonly fix: string | undefined;
  /** Errors found at the same time. */
  readonly also: readonly AnnealError[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.plugin = details.plugin;
    this.hook = details.hook;
    this.path = details.path;
    this.file = details.file;
    this.fix = details.fix;
    this.also = details.also ?? [];
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Errors of this package and of `@anneal/graph`: they have a `code`. */
export function isAnnealError(error: unknown): error is AnnealError {
  return error instanceof Error && error.name === 'AnnealError' && 'code' in error;
}
