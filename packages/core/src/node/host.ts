import { createHash, randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';

/** Where process ids mean the same: the machine, and on Linux the container. 8 hex digits. */
export function hostId(): string {
  let space = '';
  try {
    space = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: the name of the machine has to do.
  }
  return createHash('sha256').update(`${hostname()}\0${space}`).digest('hex').slice(0, 8);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== 'ESRCH';
  }
}

/** A name beside `path` for what becomes `path` when it is complete; it says who is at work on it. */
export function temporaryPath(path: string): string {
  const id = randomUUID().slice(0, 8);
  return join(dirname(path), `.${basename(path)}.${process.pid}.h${hostId()}.${id}.tmp`);
}
