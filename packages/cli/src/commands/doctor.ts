import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';

import type { DeviceProbe } from '@anneal/graph';
import { formatError, importFile, installCommand, isAnnealError, resolveModule } from '@anneal/core';

import { type Command, type Context, loadConfigFor, widthFor } from '../context.ts';
import { readJson } from '../files.ts';
import { bytes } from '../ui/numbers.ts';
import type { Style } from '../ui/style.ts';
import { oneLine, wrap } from '../ui/text.ts';
import { pluginDependencies } from './schema.ts';

interface Finding {
  readonly name: string;
  /** `undefined`: neither good nor bad. */
  readonly ok: boolean | undefined;
  readonly text: string;
  readonly fix?: string | undefined;
  /** For `--json`. */
  readonly data?: unknown;
}

const BACKENDS = ['onnx', 'tfjs'];

/** Whether a version of Node is one of `^20.19.0 || >=22.12.0`. */
export function nodeIsSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

function node(): Finding {
  const ok = nodeIsSupported(process.version);
  const text = `${process.version} on ${process.platform} ${process.arch}`;
  return { name: 'node', ok, text, fix: ok ? undefined : 'install Node 20.19, 22.12 or later', data: process.version };
}

function machine(): readonly Finding[] {
  const limit = process.constrainedMemory() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const free = Math.min(freemem(), total);
  const threads = availableParallelism();
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return [
    { name: 'processor', ok: undefined, text: `${threads} threads, ${oneLine(model)}`, data: { threads, model } },
    { name: 'memory', ok: undefined, text: `${bytes(total)}, ${bytes(free)} free`, data: { total, free } },
  ];
}

/** What the config says of backends. */
interface Choice {
  readonly root: string;
  readonly backend?: string | undefined;
  readonly device?: string | undefined;
}

async function config(context: Context): Promise<Choice & { readonly finding: Finding }> {
  const { io } = context;
  try {
    const { file, root, stages, backend, device } = await loadConfigFor(context);
    const text = `${file === undefined ? '' : relative(io.cwd, file)}: ${stages.length === 1 ? '1 stage' : `${stages.length} stages`}`;
    const named = typeof backend === 'string' ? backend : undefined;
    return { finding: { name: 'config', ok: true, text, data: file }, root, backend: named, device };
  } catch (error) {
    if (!isAnnealError(error)) throw error;
    const none = error.code === 'ANNEAL_E_CONFIG_NOT_FOUND' && context.options.text('config') === undefined;
    const text = none ? 'none here' : formatError(error, { cwd: io.cwd }).replaceAll('\n', '\n    ');
    const finding: Finding = {
      name: 'config',
      ok: none ? undefined : false,
      text,
      fix: none ? 'run `anneal init`' : undefined,
    };
    return { finding, root: io.cwd };
  }
}

/** Plugin packages that package.json lists and that are not there: an install that was not run or did not finish. */
async function plugins(root: string): Promise<readonly Finding[]> {
  const names = pluginDependencies(root);
  if (names.length === 0) return [];
  const urls = await Promise.all(names.map((name) => resolveModule(name, root)));
  const missing = names.filter((_, i) => urls[i] === undefined);
  const ok = missing.length === 0;
  const text = ok ? `${names.length} installed` : `not installed: ${missing.join(', ')}`;
  return [
    {
      name: 'plugins',
      ok,
      text,
      fix: ok ? undefined : "run your package manager's `install`",
      data: { names, missing },
    },
  ];
}

/** Backends say what works by a function whose name ends in `doctor`: `onnxDoctor({ device, root })`. */
async function probe(name: string, url: string, options: Omit<Choice, 'backend'>): Promise<readonly Finding[]> {
  try {
    const module = await importFile(url);
    const doctor = Object.entries(module).find(
      ([key, value]) => /doctor$/i.test(key) && typeof value === 'function',
    )?.[1];
    if (doctor === undefined) return [{ name, ok: undefined, text: 'installed; it has no self-test' }];
    const facts = await (doctor as (options: Omit<Choice, 'backend'>) => Promise<unknown>)(options);
    return [{ name, ok: isHealthy(facts), text: factsText(facts), data: facts }, ...devices(facts)];
  } catch (error) {
    const fix = isAnnealError(error) ? error.fix : undefined;
    return [{ name, ok: false, text: error instanceof Error ? oneLine(error.message) : String(error), fix }];
  }
}

/** A self-test may list `devices`. One that does not work is no fault: nobody asked for it. */
function devices(facts: unknown): readonly Finding[] {
  const probes = isFacts(facts) && Array.isArray(facts['devices']) ? (facts['devices'] as readonly DeviceProbe[]) : [];
  return probes.map(({ device, about, problem, fix, gflops }) => ({
    name: `  ${device}`,
    ok: problem === undefined ? true : undefined,
    text: oneLine(problem ?? factsText({ about: about ?? 'works', gflops })),
    fix: problem === undefined ? undefined : fix,
  }));
}

const isFacts = (facts: unknown): facts is Readonly<Record<string, unknown>> =>
  typeof facts === 'object' && facts !== null && !Array.isArray(facts);

/** A self-test that finds wrong results says so by a `false`. */
const isHealthy = (facts: unknown): boolean => !isFacts(facts) || !Object.values(facts).includes(false);

function factsText(facts: unknown): string {
  if (!isFacts(facts)) return oneLine(JSON.stringify(facts) ?? '');
  const texts = Object.entries(facts).flatMap(([key, value]) => {
    if (value === undefined || typeof value === 'object') return [];
    if (typeof value === 'number') return [`${key} ${Number.isInteger(value) ? value : value.toPrecision(3)}`];
    if (typeof value === 'boolean') return [`${value ? '' : 'not '}${key}`];
    return typeof value === 'string' ? [value] : [];
  });
  return oneLine(texts.join(', '));
}

async function backends({ root, backend: wanted, device }: Choice): Promise<readonly Finding[]> {
  const names = [...new Set([...(wanted === undefined ? [] : [wanted]), ...BACKENDS])];
  const found: Finding[] = [];
  for (const name of names) {
    const pkg = name.startsWith('@') || name.includes('/') ? name : `@anneal/backend-${name}`;
    const url = await resolveModule(pkg, root);
    const options = { root, ...(name === wanted && { device }) };
    if (url !== undefined) found.push(...(await probe(`backend ${name}`, url, options)));
    else if (name === wanted) {
      found.push({
        name: `backend ${name}`,
        ok: false,
        text: 'not installed',
        fix: `run \`${installCommand(pkg, root)}\``,
      });
    }
  }
  if (found.length > 0) return found;
  const fix = `run \`${installCommand('@anneal/backend-onnx', root)}\``;
  return [{ name: 'backend', ok: false, text: 'none is installed', fix }];
}

/** Two copies of core work together, but are seldom meant. */
function versions(root: string): readonly Finding[] {
  const own = readJson(join(root, 'node_modules', '@anneal', 'core', 'package.json'))?.['version'];
  return typeof own === 'string' ? [{ name: 'core', ok: undefined, text: own, data: own }] : [];
}

function table(findings: readonly Finding[], style: Style, columns: number): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  // An error comes with lines of its own.
  const broken = (text: string, indent: number): string =>
    text.includes('\n')
      ? text
      : wrap(text, Math.max(20, columns - indent), 0).replaceAll('\n', `\n${' '.repeat(indent)}`);
  const indent = width + 4;
  const lines = findings.map(({ name, ok, text, fix }) => {
    const mark = ok === undefined ? style.dim('·') : ok ? style.green('✓') : style.red('✗');
    const advice =
      fix === undefined ? '' : `\n${' '.repeat(indent)}${style.dim('fix')} ${broken(fix, indent + 'fix '.length)}`;
    return `${mark} ${name.padEnd(width)}  ${broken(text, indent)}${advice}`;
  });
  return lines.join('\n');
}

/** `anneal doctor`: exits with 1 when something does not work. */
export const doctor: Command = async (context) => {
  const { finding, ...choice } = await config(context);
  const findings = [
    node(),
    ...machine(),
    finding,
    ...versions(choice.root),
    ...(await plugins(choice.root)),
    ...(await backends(choice)),
  ];
  if (context.options.flag('json')) context.json(findings);
  else context.print(table(findings, context.style, widthFor(context)));
  return findings.some(({ ok }) => ok === false) ? 1 : 0;
};
