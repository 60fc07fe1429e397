import type { Artifacts } from './artifacts.ts';
import type { ResolvedConfig } from './config/types.ts';

/** One execution of a build: identity for plugin state, and what travels between phases. */
export interface Run {
  readonly id: string;
  readonly config: ResolvedConfig;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly artifacts: Artifacts;
}
