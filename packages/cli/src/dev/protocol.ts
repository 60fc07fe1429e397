import type { LoadOptions, RunEvent } from '@anneal/core';

/** What a build of `anneal dev` is to do; its first argument, as JSON. */
export interface DevJob {
  /** Where the config is and what changes it. */
  readonly load: LoadOptions;
  readonly cwd: string;
  readonly stages: readonly string[];
  /** How errors are written. */
  readonly color: boolean;
  readonly width: number | undefined;
  readonly debug: boolean;
  /** What is deprecated is an error. */
  readonly strict: boolean;
}

/** What it tells the process that watches. */
export type DevMessage =
  | { readonly type: 'event'; readonly event: RunEvent }
  /** Files and folders that the result depends on, absolute. */
  | { readonly type: 'inputs'; readonly paths: readonly string[]; readonly ignored: readonly string[] }
  /** Text for people, and the values of `--json`. */
  | { readonly type: 'result'; readonly text: string; readonly json: object }
  | { readonly type: 'error'; readonly text: string; readonly json: object };

/** What it is told: to stop at the next safe point. */
export type DevRequest = 'stop';
