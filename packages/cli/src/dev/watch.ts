import { type Dirent, existsSync, type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';

import { AnnealError } from '@anneal/core';

/** Folders whose contents never matter to a result; core's keys leave them out as well. */
const IGNORED = new Set(['node_modules', '.git', '.anneal']);

export interface WatchOptions {
  /** Folders that are not looked into, and files below them: results. */
  readonly ignored?: readonly string[] | undefined;
  readonly onChange: (path: string) => void;
}

export interface FileWatch {
  close(): void;
}

/** What is watched in one folder: everything, or some names. */
type Names = Set<string> | 'all';

/**
 * Watches files and folders, and everything in the folders. Folders are what the system watches: a file that an editor
 * replaces stays watched, and one that is not there yet is seen when it comes.
 *
 * @throws AnnealError `ANNEAL_E_WATCH` when the system cannot watch so much
 */
export function watchFiles(paths: readonly string[], { ignored = [], onChange }: WatchOptions): FileWatch {
  const isIgnored = (path: string): boolean =>
    ignored.some((folder) => path === folder || path.startsWith(folder + sep));
  const folders = new Map<string, Names>();
  for (const path of paths) if (!isIgnored(path)) add(path, folders, isIgnored);
  const watchers: FSWatcher[] = [];
  const close = (): void => {
    for (const watcher of watchers) watcher.close();
  };
  try {
    for (const [folder, names] of folders) {
      const watcher = watch(folder, { persistent: true }, (_, name) => {
        // Some systems do not say which file it was.
        const isMeant = name === null || (names === 'all' ? !IGNORED.has(name) : names.has(name));
        const path = name === null ? folder : join(folder, name);
        if (isMeant && !isIgnored(path)) onChange(path);
      });
      // A folder that is removed ends its watcher; what was in it is gone then.
      watcher.on('error', () => onChange(folder));
      watchers.push(watcher);
    }
  } catch (cause) {
    close();
    throw new AnnealError('ANNEAL_E_WATCH', `${folders.size} folders cannot be watched`, { fix: FIX, cause });
  }
  return { close };
}

const FIX = 'raise the limit of the system (on Linux `fs.inotify.max_user_watches`), or declare fewer files';

/** Notes which names of which folders are meant by a path. */
function add(path: string, folders: Map<string, Names>, isIgnored: (path: string) => boolean): void {
  if (isFolder(path)) {
    folders.set(path, 'all');
    for (const entry of entriesOf(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && !IGNORED.has(entry.name) && !isIgnored(inner)) add(inner, folders, isIgnored);
    }
  }
  // Its name in the folder around it: a file or folder may come, go, or be replaced. Of what is not there, the first part.
  let [folder, name] = [dirname(path), basename(path)];
  while (!existsSync(folder) && dirname(folder) !== folder) [folder, name] = [dirname(folder), basename(folder)];
  const names = folders.get(folder);
  if (names === 'all') return;
  folders.set(folder, (names ?? new Set()).add(name));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function entriesOf(path: string): readonly Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    // Gone since, or not ours to read.
    return [];
  }
}
