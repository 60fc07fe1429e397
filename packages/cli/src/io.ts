import process from 'node:process';

/** A stream that text is written to. */
export interface Out {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** Questions on the terminal; `undefined` as an answer: the user wants to stop. */
export interface Asker {
  text(message: string, fallback: string): Promise<string | undefined>;
  choose(message: string, choices: readonly string[], fallback: string): Promise<string | undefined>;
  confirm(message: string, fallback: boolean): Promise<boolean | undefined>;
}

/** All that the command has to do with the process that it runs in. */
export interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Out;
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
    asker: stdin.isTTY && stdout.isTTY && !env['CI'] ? async () => (await import('./ui/ask.ts')).clackAsker : undefined,
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

/** Whether lines can be drawn anew on a stream. */
export function isLive(out: Out, env: Io['env']): boolean {
  return out.isTTY === true && env['TERM'] !== 'dumb' && !env['CI'];
}
