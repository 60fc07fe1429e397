import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';

/** Versions of Node that what is released must work on: the oldest, and the newest with long-term support. */
export const NODES: readonly string[] = ['20', '24'];

const MANIFEST = 'package.json';
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];

/** Folders outside of the workspace, with one installation from tarballs that all of them share. */
export interface Place {
  readonly root: string;
  /** Absolute paths of the tarballs by the name of the package. */
  readonly tarballs: Readonly<Record<string, string>>;
  /** Folder with `node`, by its major version. */
  readonly nodes: Readonly<Record<string, string>>;
  /**
   * Runs a command in a folder of `root`, with a version of Node.
   *
   * @returns stdout
   * @throws Error with all output when the exit code is not 0
   */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>;
}

export interface RunOptions {
  /** Folder below `root`. @defaultValue `root` itself */
  readonly cwd?: string | undefined;
  /** @defaultValue the first of {@link NODES} */
  readonly node?: string | undefined;
  /** More variables of the environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

function exec(
  command: string,
  args: readonly string[],
  cwd: string,
  path: readonly string[],
  own: RunOptions['env'] = {},
): Promise<string> {
  // Nothing of the workspace's own run (`--conditions`, loaders) may leak into what a stranger would run.
  const { NODE_OPTIONS: _, NODE_ENV: __, VITEST: ___, ...env } = process.env;
  const PATH = [...path, env['PATH'] ?? ''].join(delimiter);
  const child = spawn(command, args, {
    cwd,
    env: { ...env, PATH, CI: '1', ...own },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    output.push(chunk.toString());
  });
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${command} ${args.join(' ')} exited with ${code} in ${cwd}\n${output.join('')}`));
    });
  });
}

/** Folder with a version of Node: this one's own, or the one that npm has as a package. */
async function nodeFolder(major: string, root: string): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) {
    const folder = join(root, `node-${major}`);
    mkdirSync(folder);
    symlinkSync(process.execPath, join(folder, 'node'));
    return folder;
  }
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const prefix = join(root, `node-${major}`);
  mkdirSync(prefix);
  const name = `node-${platform}-${process.arch}`;
  await exec('npm', ['install', '--prefix', prefix, ...QUIET, '--ignore-scripts', `${name}@${major}`], root, []);
  return join(prefix, 'node_modules', name, 'bin');
}

/** Packs the packages of the workspace, makes the projects, and installs all that they depend on at once. */
export async function install(make: (place: Place) => Promise<void>): Promise<Place> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'anneal-packed-')));
  const { packAll } = (await import(new URL('../../scripts/release/pack.mjs', import.meta.url).href)) as {
    packAll(folder: string): readonly { readonly name: string; readonly file: string }[];
  };
  const tarballs = Object.fromEntries(packAll(join(root, 'tarballs')).map(({ name, file }) => [name, file]));
  const [oldest = ''] = NODES;
  const folders = await Promise.all(NODES.map((major) => nodeFolder(major, root)));
  const nodes = Object.fromEntries(NODES.map((major, i) => [major, folders[i]!]));
  const place: Place = {
    root,
    tarballs,
    nodes,
    run: (command, args, { cwd = '', node = oldest, env } = {}) =>
      exec(command, args, join(root, cwd), [nodes[node]!], env),
  };
  await make(place);
  const projects = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('node-') && entry.name !== 'tarballs')
    .map(({ name }) => name);
  // Each project says which versions it wants; these are where npm gets them.
  const overrides = Object.fromEntries(Object.entries(tarballs).map(([name, file]) => [name, `file:${file}`]));
  writeFileSync(join(root, MANIFEST), JSON.stringify({ private: true, workspaces: projects, overrides }));
  await place.run('npm', ['install', ...QUIET, '--ignore-scripts']);
  return place;
}

/** A JSON file of a project. */
export const readJson = (...path: readonly string[]): unknown => JSON.parse(readFileSync(join(...path), 'utf8'));

/** Writes a text file, with its folder. */
export function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
