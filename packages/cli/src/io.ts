import process from 'node:process';

import { type Asker, loadAsker } from 'create-anneal/terminal';

/** A stream that text is written to. */
export interface Out {
  /** Appends. */
  write(text: string): unknown;
  /** Whether a person looks at it. */
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal. */
  readonly columns?: number | undefined;
  /** Height of the terminal. */
  readonly rows?: number | undefined;
  /** Hears when the terminal changes its size. */
  on?(event: 'resize', listener: () => void): unknown;
  /** Hears no more. */
  off?(event: 'resize', listener: () => void): unknown;
}

/** What asks a process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** All that the command has to do with the process that it runs in. */
export interface Io {
  /** Absolute folder that relative paths start from. */
  readonly cwd: string;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes results. */
  readonly stdout: Out;
  /** Takes progress and messages. */
  readonly stderr: Out;
  /** Asks the user; `undefined` when there is nobody to ask. */
  readonly asker: (() => Promise<Asker>) | undefined;
  /** Calls `listener` for Ctrl-C and requests to stop; returns what ends that. */
  onStop(listener: (signal: StopSignal) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

/** The real process. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process;
  for (const stream of [stdout, stderr]) {
    // A reader that has seen enough (`| head`) closes the pipe; that is no error.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    cwd: process.cwd(),
    env,
    stdout,
    stderr,
    asker: loadAsker({ stdin, stdout, env }),
    onStop(listener) {
      const interrupt = (): void => listener('SIGINT');
      const terminate = (): void => listener('SIGTERM');
      process.on('SIGINT', interrupt);
      process.on('SIGTERM', terminate);
      return () => {
        process.off('SIGINT', interrupt);
        process.off('SIGTERM', terminate);
      };
    },
    exit: (code) => process.exit(code),
  };
}

/** Whether colours go to a stream: https://no-color.org, FORCE_COLOR, and terminals that have none. */
export function hasColor(out: Out, env: Io['env']): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  return out.isTTY === true && env['TERM'] !== 'dumb';
}

/** Columns that text may take on a stream. */
export const widthOfOut = (out: Out): number => Math.max(40, Math.min(out.columns ?? 80, 120));

/** Whether lines can be drawn anew on a stream. */
export function isLive(out: Out, env: Io['env']): boolean {
  return out.isTTY === true && env['TERM'] !== 'dumb' && !env['CI'];
}
