import { randomUUID } from 'node:crypto';

import type { Backend } from '@anneal/graph';

import { Artifacts } from '../artifacts.ts';
import type { BackendFactory, ResolvedConfig } from '../config/types.ts';
import { AnnealError, isAnnealError } from '../errors/error.ts';
import type { PhaseContext } from '../hooks/types.ts';
import { importFile, resolvePackage } from '../node/resolve.ts';
import type { RunEvent } from '../observe/events.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import type { Progress } from '../observe/progress.ts';
import type { Run } from '../run.ts';
import { backendPackage } from './keys.ts';

/** One run's shared parts: events, logger, the backend that is opened when first needed. */
export class RunScope {
  readonly run: Run;
  readonly logger: Logger;
  readonly emit: (event: RunEvent) => void;
  #backend: Promise<Backend> | undefined;
  #progressId = 0;

  constructor(config: ResolvedConfig, signal: AbortSignal, emit: (event: RunEvent) => void) {
    this.run = { id: randomUUID(), config, seed: config.seed, signal, artifacts: new Artifacts() };
    this.emit = emit;
    this.logger = createLogger((entry) => {
      emit({ type: 'log', entry });
    });
  }

  backend(): Promise<Backend> {
    this.#backend ??= openBackend(this.run.config);
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

/**
 * Opens the configured backend. A package offers `openBackend({ device, threads, root })`.
 *
 * @throws AnnealError `ANNEAL_E_BACKEND` when it is not installed, is none, or does not open.
 */
export async function openBackend(config: ResolvedConfig): Promise<Backend> {
  const { backend, device, threads, root } = config;
  const name = typeof backend === 'string' ? backendPackage(backend) : 'the function that the config gives';
  try {
    const open = typeof backend === 'string' ? await backendFactory(backend, name, root) : backend;
    return await open({ device, threads, root });
  } catch (cause) {
    if (isAnnealError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AnnealError('ANNEAL_E_BACKEND', `${name} opens no backend: ${reason}`, { path: ['backend'], cause });
  }
}

async function backendFactory(backend: string, name: string, root: string): Promise<BackendFactory> {
  const file = resolvePackage(name, root);
  if (file === undefined) {
    throw new AnnealError('ANNEAL_E_BACKEND', `backend \`${backend}\` is not installed: no package ${name}`, {
      path: ['backend'],
      fix: `npm install ${name}`,
    });
  }
  const { openBackend: open } = await importFile(file);
  if (typeof open === 'function') return open as BackendFactory;
  throw new AnnealError('ANNEAL_E_BACKEND', `${name} exports no \`openBackend\``, { path: ['backend'], file });
}
