import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { readdirSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

import type { Backend, BackendState, Program } from '@anneal/graph';

import type { OpenBackend } from './types.ts';

/**
 * Opens a backend that notes what is still open when the backend is closed: whoever compiled a program or placed
 * tensors must dispose of them.
 */
export function countingBackend(open: OpenBackend, left: string[]): OpenBackend {
  return async () => counted(await open(), left);
}

function counted(backend: Backend, left: string[]): Backend {
  const alive = new Map<Program | BackendState, string>();
  const follow = <T extends Program | BackendState>(made: T, what: string): T => {
    alive.set(made, what);
    const dispose = made.dispose.bind(made);
    return Object.assign(made, {
      dispose: () => {
        alive.delete(made);
        return dispose();
      },
    });
  };
  const compile = backend.compile.bind(backend);
  const createState = backend.createState.bind(backend);
  const close = backend.close.bind(backend);
  return Object.assign(backend, {
    compile: async (...args: Parameters<typeof compile>) =>
      follow(await compile(...args), `the program "${args[1]?.label ?? args[0].name}"`),
    createState: async (...args: Parameters<typeof createState>) => {
      const state = await createState(...args);
      return follow(state, `a state of ${state.names.length} tensors`);
    },
    close: () => {
      left.push(...alive.values());
      alive.clear();
      return close();
    },
  });
}

/** What a process holds: files by path, its own listeners, global names. */
function held(): readonly string[] {
  return [
    ...openFiles().map((path) => `the file ${path}`),
    ...process
      .eventNames()
      .flatMap((name) =>
        process.listeners(name as NodeJS.Signals).map(() => `a listener of the process to ${String(name)}`),
      ),
    ...Object.getOwnPropertyNames(globalThis).map((name) => `the global name \`${name}\``),
  ];
}

/** Requests come and go by themselves; these stay until somebody ends them. */
const RESOURCES: Readonly<Record<string, string>> = {
  FSEVENTWRAP: 'a file watcher',
  MESSAGEPORT: 'a message port',
  PIPEWRAP: 'a pipe',
  PROCESSWRAP: 'a child process',
  STATWATCHER: 'a file watcher',
  TCPSERVERWRAP: 'a server',
  TCPWRAP: 'a socket',
  Timeout: 'a timer',
  UDPWRAP: 'a socket',
  WORKER: 'a worker',
};

/** Runs `work` and follows the resources that it makes, and nobody else: those that are still there can be asked for. */
async function following(
  work: () => Promise<void>,
): Promise<{ readonly alive: () => readonly string[]; readonly end: () => void }> {
  const alive = new Map<number, { readonly kind: string; readonly resource: object }>();
  const inside = new AsyncLocalStorage<true>();
  const hook = createHook({
    init(id, type, _, resource: object) {
      const kind = RESOURCES[type];
      if (kind !== undefined && inside.getStore() === true) alive.set(id, { kind, resource });
    },
    destroy(id) {
      alive.delete(id);
    },
  }).enable();
  try {
    await inside.run(true, work);
  } catch (error) {
    hook.disable();
    throw error;
  }
  return {
    // What does not keep a process alive, nobody has to end.
    alive: () => [...alive.values()].filter(({ resource }) => hasRef(resource)).map(({ kind }) => kind),
    end: () => void hook.disable(),
  };
}

function hasRef(resource: object): boolean {
  return (resource as { hasRef?: () => boolean }).hasRef?.() ?? true;
}

/** Regular files that this process has open, where the system tells. All threads have them in common. */
function openFiles(): readonly string[] {
  if (!isMainThread) return [];
  try {
    return readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${fd}`);
        return /^\/(?!dev\/|proc\/|sys\/|memfd:)/.test(path) ? [path] : [];
      } catch {
        // It was closed meanwhile, as that of the folder itself is.
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** How long what is being closed may take. */
const PATIENCE_MS = 300;

/** Runs `work` and tells what it left open, after some patience. */
export async function leftOpen(work: () => Promise<void>): Promise<readonly string[]> {
  const before = held();
  const followed = await following(work);
  try {
    for (const end = performance.now() + PATIENCE_MS; ; await wait(10)) {
      const left = [...followed.alive(), ...surplus(held(), before)];
      if (left.length === 0 || performance.now() > end) return left;
    }
  } finally {
    followed.end();
  }
}

/** What is in `now` more often than in `before`. */
function surplus(now: readonly string[], before: readonly string[]): readonly string[] {
  const rest = [...before];
  return now.filter((name) => {
    const at = rest.indexOf(name);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}
