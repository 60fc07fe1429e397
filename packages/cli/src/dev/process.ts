import { type ChildProcess, fork } from 'node:child_process';

import type { DevJob, DevMessage, DevRequest } from './protocol.ts';

/** A build that is at work in a process of its own. */
export interface DevBuild {
  /** Ends when its process has ended. */
  readonly ended: Promise<void>;
  /** Stops it at the next safe point, and after some seconds at once. */
  stop(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** Until a build that does not stop is killed: between two safe points there is a step, or a file to write. */
const STOP_MS = 15_000;

export function startBuild(job: DevJob, onMessage: (message: DevMessage) => void): DevBuild {
  const file = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url);
  const child: ChildProcess = fork(file, [JSON.stringify(job)], {
    // Values such as NaN are no JSON.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let told = false;
  let stopping = false;
  child.on('message', (message) => {
    const { type } = message as DevMessage;
    told ||= type === 'result' || type === 'error';
    onMessage(message as DevMessage);
  });
  const ended = new Promise<void>((resolve) => {
    const end = (what: string): void => {
      // Killed by the system, or a crash in native code: nobody else says so.
      if (!told && !stopping) {
        const message = `the build ended without a result (${what})`;
        onMessage({ type: 'error', text: `✗ ${message}`, json: { type: 'error', message } });
      }
      told = true;
      resolve();
    };
    child.on('error', (error) => end(error.message));
    child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
  });
  return {
    ended,
    stop: async () => {
      stopping = true;
      if (child.connected) child.send('stop' satisfies DevRequest, () => undefined);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
    kill: () => {
      stopping = true;
      child.kill('SIGKILL');
    },
  };
}
