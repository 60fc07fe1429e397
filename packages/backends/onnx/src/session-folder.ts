import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphError } from '@anneal/graph';

/** Folders of this process that are removed when it exits. */
const folders = new Set<string>();

/**
 * A folder of files that live as long as a backend. It is made when first asked for, and removed on `remove()` or when
 * the process exits; what a killed process left behind is removed by the next one on the same machine.
 */
export class SessionFolder {
  readonly #parent: string;
  #path: string | undefined;

  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  /** The folder's path; makes it first. @throws GraphError `ANNEAL_E_BACKEND` when it cannot be made. */
  open(): string {
    return (this.#path ??= create(this.#parent));
  }

  remove(): void {
    if (this.#path === undefined) return;
    removeFolder(this.#path);
    folders.delete(this.#path);
    if (folders.size === 0) process.off('exit', removeAll);
    this.#path = undefined;
  }
}

function create(parent: string): string {
  let path: string;
  try {
    removeAbandoned(parent);
    path = mkdtempSync(join(parent, `${prefix()}${process.pid}-`));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new GraphError('ANNEAL_E_BACKEND', `no folder for weights can be made in ${parent}: ${message}`, {
      fix: 'set `tempFolder` to a folder that can be written',
      at: { file: parent },
      cause,
    });
  }
  if (folders.size === 0) process.on('exit', removeAll);
  folders.add(path);
  return path;
}

function removeAll(): void {
  for (const path of folders) removeFolder(path);
}

function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Windows keeps files that are still mapped; the next process removes them.
  }
}

/** With the host's name: a process number says nothing about a process in another container that shares the folder. */
function prefix(): string {
  return `anneal-onnx-${hostname().replaceAll(/[^\w.]/g, '_')}-`;
}

function removeAbandoned(parent: string): void {
  const start = prefix();
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(start)) continue;
    const pid = Number(/^(\d+)-/.exec(name.slice(start.length))?.[1]);
    if (Number.isSafeInteger(pid) && !isRunning(pid)) removeFolder(join(parent, name));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
