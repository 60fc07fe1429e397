import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { resolveModule } from '../config/modules.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { isSecret, pathText } from '../errors/show.ts';
import { backendPackage } from '../node/backend.ts';
import { canonical, digest, digestPath } from '../node/hash.ts';
import { digestPackage } from '../node/package-code.ts';
import { resolvePackage } from '../node/resolve.ts';
import type { PhaseName } from '../observe/events.ts';
import type { ActivePlugin, StageSetup } from './setup.ts';

/** Phases in order; the key of each contains the key of the one before. */
export const PHASES: readonly PhaseName[] = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'];

/** What a key is made of, by name; short values as they are, long ones as digests. */
export type KeyParts = Readonly<Record<string, string>>;

/** The key of a phase and what it says. */
export interface PhaseKey {
  readonly stage: string;
  readonly phase: PhaseName;
  /** 64 hex digits. */
  readonly key: string;
  /** Keys of the results that it starts from: the phase before, and the training of the stage that it starts from. */
  readonly after: readonly string[];
  /** What counts in this phase first. */
  readonly parts: KeyParts;
}

export type PhaseKeys = Readonly<Record<PhaseName, PhaseKey>>;

/** How the names of parts begin: what `anneal cache explain` tells people by. */
export const PART = {
  /** A value of the config, by its path. */
  config: 'config ',
  /** Of a plugin: `plugin lora options.r`. */
  plugin: (name: string): string => `plugin ${name} `,
  /** A package that is no plugin. */
  code: 'code of ',
  /** What runs when. */
  order: 'order of ',
} as const;

/**
 * Cache keys of a stage. A plugin counts from the first phase whose hooks it taps, with its name, version, code,
 * options, declared files, and the mode and stage when it asked for them; in every phase the order of its taps counts.
 * The config counts where it is used; the code of core, of the graph package and of the backend count everywhere that
 * they run.
 *
 * @param from Keys of the stage that this one starts from.
 */
export async function phaseKeys(
  setup: StageSetup,
  config: ResolvedConfig,
  from: PhaseKeys | undefined,
): Promise<PhaseKeys> {
  const { stage } = setup;
  const backend = await backendParts(config);
  const own: Readonly<Record<PhaseName, KeyParts>> = {
    data: { ...(await codeParts()), ...configParts({ seed: config.seed }) },
    model: {},
    train: {
      'name of the stage': stage.name,
      ...configParts({ train: stage.train, stages: { [stage.name]: { data: stage.data } } }),
      ...backend,
    },
    compress: backend,
    evaluate: configParts({ evaluate: config.evaluate, stages: { [stage.name]: { evaluate: stage.evaluate } } }),
    emit: configParts({
      stages: { [stage.name]: { emit: stage.emit } },
      name: config.name,
      gates: config.gates,
      outDir: config.outDir,
    }),
  };
  const keys: Partial<Record<PhaseName, PhaseKey>> = {};
  let previous: readonly string[] = [];
  for (const phase of PHASES) {
    const after = phase === 'model' && from !== undefined ? [...previous, from.train.key] : previous;
    const parts = { ...own[phase], ...(await pluginParts(setup, phase, config)), ...orderParts(setup, phase) };
    const key = digest([phase, after, parts]);
    keys[phase] = { stage: stage.name, phase, key, after, parts };
    previous = [key];
  }
  return keys as PhaseKeys;
}

/** The first phase whose hooks a plugin taps. */
export function firstPhase(setup: StageSetup, { plugin }: ActivePlugin): PhaseName | undefined {
  const groups = setup.registry.groupsOf(plugin.name);
  return PHASES.find((phase) => groups.has(phase));
}

/** Values up to this length are kept as they are: people want to see them. */
const SHORT = 100;

function textOf(value: unknown, path: readonly (string | number)[]): string {
  const text = canonical(value);
  const isShown = text.length <= SHORT && !(typeof value === 'string' && isSecret(path.at(-1)));
  return isShown ? text : `sha256 ${digest(value)}`;
}

/** Every value below `value` by its path; settings and lists of settings are opened. */
function* flatten(value: unknown, path: readonly (string | number)[]): Generator<[name: string, text: string]> {
  const isList = Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null);
  const prototype: unknown = typeof value === 'object' && value !== null && Object.getPrototypeOf(value);
  const isOpen = isList || prototype === Object.prototype || prototype === null;
  const entries = isOpen ? Object.entries(value as object).filter(([, item]) => item !== undefined) : [];
  for (const [key, item] of entries) yield* flatten(item, [...path, isList ? Number(key) : key]);
  if (entries.length === 0 && value !== undefined) yield [pathText(path), textOf(value, path)];
}

function configParts(values: Readonly<Record<string, unknown>>): KeyParts {
  // No settings are as good as none.
  const found = Object.entries(values).flatMap(([key, value]) =>
    [...flatten(value, [key])].filter(([, text]) => text !== '{}'),
  );
  return Object.fromEntries(found.map(([path, text]) => [PART.config + path, text]));
}

async function codeParts(): Promise<KeyParts> {
  const own = fileURLToPath(import.meta.url);
  const graph = await resolveModule('@anneal/graph', dirname(own));
  return {
    [`${PART.code}@anneal/core`]: await digestPackage(own),
    ...(graph && { [`${PART.code}@anneal/graph`]: await digestPackage(fileURLToPath(graph)) }),
  };
}

async function backendParts({ backend, device, threads, root }: ResolvedConfig): Promise<KeyParts> {
  const place = configParts({ backend, device, threads });
  if (typeof backend !== 'string') return place;
  const name = backendPackage(backend);
  const file = resolvePackage(name, root);
  return { ...place, ...(file && { [PART.code + name]: await digestPackage(file) }) };
}

/** Plugins whose first phase this is. */
async function pluginParts(setup: StageSetup, phase: PhaseName, config: ResolvedConfig): Promise<KeyParts> {
  const parts: Record<string, string> = {};
  for (const active of setup.plugins) {
    if (firstPhase(setup, active) !== phase) continue;
    const prefix = PART.plugin(active.plugin.name);
    for (const [name, value] of await partsOf(active, setup, config)) parts[prefix + name] = value;
  }
  return parts;
}

async function partsOf(
  { plugin, options, dependencies, asked }: ActivePlugin,
  { stage }: StageSetup,
  { root, mode }: ResolvedConfig,
): Promise<readonly (readonly [name: string, value: string])[]> {
  const parts: [name: string, value: string][] = [
    ['version', plugin.version],
    ...flatten(options, ['options']),
    // What the paths above cannot tell apart, such as a list from an object with numbers as keys.
    ['options in all', digest(options)],
  ];
  // One after the other: a data plugin may name more files than a process may open.
  for (const path of dependencies.map((given) => resolve(root, given))) {
    parts.push([`file ${relative(root, path)}`, await digestPath(path)]);
  }
  const file = plugin.source?.startsWith('file:') ? fileURLToPath(plugin.source) : plugin.source;
  const code = digest(String(plugin.setup));
  parts.push(['code', file === undefined ? code : await digestPackage(file, root).catch(() => code)]);
  if (asked.has('mode')) parts.push(['mode', mode]);
  if (asked.has('stage')) parts.push(['stage', stage.name]);
  return parts;
}

/** Plugins in their order, where they count first, and the taps of the phase in theirs. */
function orderParts(setup: StageSetup, phase: PhaseName): KeyParts {
  const plugins = setup.plugins.filter((active) => firstPhase(setup, active) === phase);
  const taps = setup.registry.taps().filter(({ hook }) => hook.startsWith(`${phase}.`));
  return {
    [`${PART.order}plugins in ${phase}`]: plugins.map(({ plugin }) => plugin.name).join(', '),
    [`${PART.order}taps in ${phase}`]: taps.map(({ hook, plugin, order }) => `${hook} ${plugin} ${order}`).join(', '),
  };
}
