import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { PlanEntry } from '@anneal/core';

import { folder } from './job.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const COMMAND = here('../node_modules/anneal/bin/anneal.js');

const value = (i: number, seed: number): number => Math.sin(12.9898 * i + 78.233 * seed) * 0.5;
/** Points around the corners of a simplex. */
const rows = (count: number, seed: number): readonly object[] =>
  Array.from({ length: count }, (_, i) => ({
    x: Array.from({ length: 8 }, (__, d) => (d === i % 3 ? 1 : 0) + value(i * 8 + d, seed)),
    label: i % 3,
  }));

/** A copy of the project beside this file, with data, in a folder that is gone after the tests. */
export function project(): string {
  const root = folder();
  cpSync(here('project'), root, { recursive: true });
  symlinkSync(here('../node_modules'), join(root, 'node_modules'));
  const data = { train: rows(300, 1), validation: rows(60, 2), test: rows(60, 3) };
  writeFileSync(join(root, 'points.json'), JSON.stringify(data));
  return root;
}

/** Replaces a text in a file of a project. */
export function edit(root: string, file: string, from: string, to: string): void {
  const text = readFileSync(join(root, file), 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
  writeFileSync(join(root, file), text.replace(from, to));
}

/** A line of `--json`. */
export interface Line {
  readonly type: string;
  readonly stage?: string;
  readonly phase?: string;
  readonly cached?: boolean;
  readonly entry?: { readonly level: string; readonly message: string };
  readonly accepted?: boolean;
  readonly code?: string;
  readonly paths?: readonly string[];
}

export interface CommandResult {
  readonly lines: readonly Line[];
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs the built command with `--json` in a process of its own. */
export function anneal(
  root: string,
  args: readonly string[],
  onLine: (line: Line, child: ChildProcess) => void = () => undefined,
): { readonly child: ChildProcess; readonly ended: Promise<CommandResult>; readonly lines: readonly Line[] } {
  const child = spawn(process.execPath, [COMMAND, ...args, '--json'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: Line[] = [];
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    onLine(line, child);
  });
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ lines, code, signal, stderr }));
  });
  return { child, ended, lines };
}

/** What `anneal plan --json` prints. */
export function planOf(root: string): readonly PlanEntry[] {
  const text = execFileSync(process.execPath, [COMMAND, 'plan', '--json'], { cwd: root, encoding: 'utf8' });
  return JSON.parse(text) as readonly PlanEntry[];
}

/** Phases in order, with whether they came from the cache. */
export const phasesOf = (lines: readonly Line[]): readonly string[] =>
  lines.flatMap(({ type, phase, cached }) => (type === 'phase-end' ? [`${phase}${cached ? ' cached' : ''}`] : []));

export const warningsOf = (lines: readonly Line[]): readonly string[] =>
  lines.flatMap(({ entry }) => (entry?.level === 'warn' || entry?.level === 'error' ? [entry.message] : []));

/** Reports and the model card hold times of the run, and the marker their sizes. */
const TIMED = new Set(['report.json', 'report.html', 'README.md', '.anneal.json']);

/** Every emitted file by name but those that hold times, as latin1 text. */
export function resultOf(root: string): ReadonlyMap<string, string> {
  const entries = readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const named = files
    .toSorted()
    .map((file) => [relative(join(root, 'dist'), file), readFileSync(file, 'latin1')] as const);
  return new Map(named.filter(([name]) => !TIMED.has(name)));
}
