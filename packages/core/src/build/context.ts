import type { Backend } from '@anneal/graph';

import { Artifacts } from '../artifacts.ts';
import type { ResolvedConfig } from '../config/types.ts';
import type { PhaseContext } from '../hooks/types.ts';
import type { RunEvent } from '../observe/events.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import type { Progress } from '../observe/progress.ts';
import type { Run } from '../run.ts';

export interface RunScopeParts {
  readonly id: string;
  readonly config: ResolvedConfig;
  readonly signal: AbortSignal;
  readonly emit: (event: RunEvent) => void;
  /** Opens the backend. */
  readonly open: () => Promise<Backend>;
}

/** One run's shared parts: events, logger, the backend that is opened when first needed. */
export class RunScope {
  readonly run: Run;
  readonly logger: Logger;
  readonly emit: (event: RunEvent) => void;
  readonly #open: () => Promise<Backend>;
  #backend: Promise<Backend> | undefined;
  #progressId = 0;

  constructor({ id, config, signal, emit, open }: RunScopeParts) {
    this.run = { id, config, seed: config.seed, signal, artifacts: new Artifacts() };
    this.emit = emit;
    this.#open = open;
    this.logger = createLogger((entry) => {
      emit({ type: 'log', entry });
    });
  }

  backend(): Promise<Backend> {
    this.#backend ??= this.#open();
    return this.#backend;
  }

  /** The backend when something opened it. */
  async opened(): Promise<Backend | undefined> {
    return this.#backend;
  }

  progress(label: string, total?: number): Progress {
    const id = this.#progressId++;
    let last = 0;
    let open = true;
    const send = (done: number, note: string | undefined, finished: boolean): void => {
      this.emit({ type: 'progress', id, label, done, total, note, finished });
    };
    return {
      update: (done, note) => {
        last = done;
        if (open) send(done, note, false);
      },
      done: (note) => {
        if (open) send(last, note, true);
        open = false;
      },
    };
  }

  context(stage: string): PhaseContext {
    const { run, logger } = this;
    return {
      run,
      stage,
      root: run.config.root,
      seed: run.seed,
      logger,
      signal: run.signal,
      progress: (label, total) => this.progress(label, total),
      backend: () => this.backend(),
    };
  }

  async close(): Promise<void> {
    const backend = await this.#backend?.catch(() => undefined);
    this.#backend = undefined;
    await backend?.close();
  }
}
