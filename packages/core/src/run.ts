import type { Artifacts } from './artifacts.ts';
import type { ResolvedConfig } from './config/types.ts';

/** One execution of a build: identity for plugin state, and what travels between phases. */
export interface Run {
  /** Different for every run. */
  readonly id: string;
  /** With every default. */
  readonly config: ResolvedConfig;
  /** Seed of everything random. */
  readonly seed: number;
  /** Aborted when the run shall stop. */
  readonly signal: AbortSignal;
  /** What travels between phases. */
  readonly artifacts: Artifacts;
}
