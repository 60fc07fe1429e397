import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { afterAll } from 'vitest';

/** What `job.mjs` prints. */
export interface Line {
  readonly step?: number;
  readonly log?: string;
  readonly level?: string;
  readonly phase?: string;
  readonly cached?: boolean;
  readonly done?: boolean;
  readonly error?: string;
  readonly message?: string;
}

export interface JobOptions {
  readonly root: string;
  readonly epochs?: number;
  readonly saveSteps?: number;
  readonly cacheDir?: string;
}

export interface JobResult {
  readonly lines: readonly Line[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs the job in a process of its own; `onLine` may kill it. */
export function runJob(
  options: JobOptions,
  onLine: (line: Line, child: ChildProcess) => void = () => undefined,
): Promise<JobResult> {
  const file = fileURLToPath(new URL('job.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: Line[] = [];
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    onLine(line, child);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ lines, code, signal, stderr });
    });
  });
}

const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

// Builds flush what they write to the disk; in memory that costs nothing.
const MEMORY = '/dev/shm';

/** A folder that is gone after the tests of the file. */
export function folder(): string {
  const path = realpathSync(mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'anneal-e2e-')));
  made.push(path);
  return path;
}

/** The bytes of the emitted models. */
export const modelsOf = (root: string): readonly string[] =>
  ['model.onnx', 'model_rounded.onnx'].map((name) => readFileSync(join(root, 'dist', 'onnx', name), 'latin1'));

/** Folders of the cache that are no entries: what a build left half done. */
export function leftovers(cacheDir: string): readonly string[] {
  return readdirSync(cacheDir, { withFileTypes: true }).flatMap((phase) =>
    phase.isDirectory() && phase.name !== 'checkpoints'
      ? readdirSync(join(cacheDir, phase.name)).filter((name) => !/^[0-9a-f]{64}(\.json)?$/.test(name))
      : [],
  );
}
