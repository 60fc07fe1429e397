import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether there is a terminal to look at: Debian's package tmux. */
export const hasTmux: boolean = ((): boolean => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export interface Look {
  readonly columns: number;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Lines that a terminal shows after a command, with the colours that it was sent. */
export interface Shown {
  readonly lines: readonly string[];
  readonly painted: string;
}

const DONE = '<done>';
let servers = 0;
/** Above the longest output. */
const ROWS = 120;

/** What a person's shell has: where tests run, these two may say that nobody looks. */
const { CI: _ci, NO_COLOR: _noColor, ...PERSON } = process.env;

/** Runs a command in a terminal of its own, and reads its screen. */
export async function show(command: string, { columns, cwd, env = {} }: Look): Promise<Shown> {
  // A server of its own each time: one that is told to end is there for a while.
  const server = `anneal-${process.pid}-${++servers}`;
  const tmux = (...args: readonly string[]): string =>
    execFileSync('tmux', ['-L', server, ...args], { encoding: 'utf8', env: PERSON });
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const size = ['-x', String(columns), '-y', String(ROWS)];
  tmux(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    ...size,
    '-c',
    cwd,
    ...variables,
    `${command}; echo '${DONE}'; sleep 100`,
  );
  try {
    for (;;) {
      const painted = tmux('capture-pane', '-p', '-e');
      const screen = tmux('capture-pane', '-p');
      if (screen.includes(DONE)) {
        const lines = screen.split('\n').map((line) => line.trimEnd());
        return { lines: lines.slice(0, lines.indexOf(DONE)), painted };
      }
      await sleep(50);
    }
  } finally {
    tmux('kill-server');
  }
}
