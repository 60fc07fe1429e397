import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { resolveModule } from '../config/modules.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { backendPackage } from '../node/backend.ts';
import { digest, digestPath } from '../node/hash.ts';
import { digestPackage } from '../node/package-code.ts';
import { resolvePackage } from '../node/resolve.ts';
import type { PhaseName } from '../observe/events.ts';
import type { ActivePlugin, StageSetup } from './setup.ts';

/** Phases in order; the key of each contains the key of the one before. */
export const PHASES: readonly PhaseName[] = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'];

export type PhaseKeys = Readonly<Record<PhaseName, string>>;

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
  const parts = new Map<PhaseName, unknown[]>(PHASES.map((phase) => [phase, []]));
  for (const active of setup.plugins) {
    const first = firstPhase(setup, active);
    if (first !== undefined) parts.get(first)?.push(await pluginKey(active, setup, config));
  }
  for (const { hook, plugin, order } of setup.registry.taps()) {
    parts.get(hook.split('.')[0] as PhaseName)?.push([hook, plugin, order]);
  }
  const backend = await backendKey(config);
  const slices: Readonly<Record<PhaseName, unknown>> = {
    data: [await ownCode(), config.seed],
    model: [from?.train],
    train: [stage.name, stage.train, stage.data, backend],
    compress: [backend],
    evaluate: [config.evaluate, stage.evaluate],
    emit: [stage.emit, config.name, config.gates, config.outDir],
  };
  const keys: Partial<Record<PhaseName, string>> = {};
  let previous = '';
  for (const phase of PHASES) {
    previous = digest([previous, phase, slices[phase], parts.get(phase)]);
    keys[phase] = previous;
  }
  return keys as PhaseKeys;
}

/** The first phase whose hooks a plugin taps. */
export function firstPhase(setup: StageSetup, { plugin }: ActivePlugin): PhaseName | undefined {
  const groups = setup.registry.groupsOf(plugin.name);
  return PHASES.find((phase) => groups.has(phase));
}

async function ownCode(): Promise<readonly unknown[]> {
  const own = fileURLToPath(import.meta.url);
  const graph = await resolveModule('@anneal/graph', dirname(own));
  return [await digestPackage(own), graph && (await digestPackage(fileURLToPath(graph)))];
}

async function pluginKey(
  { plugin, options, dependencies, asked }: ActivePlugin,
  { stage }: StageSetup,
  { root, mode }: ResolvedConfig,
): Promise<unknown> {
  const inputs: [path: string, digest: string][] = [];
  // One after the other: a data plugin may name more files than a process may open.
  for (const path of dependencies.map((given) => resolve(root, given))) {
    inputs.push([relative(root, path), await digestPath(path)]);
  }
  const file = plugin.source?.startsWith('file:') ? fileURLToPath(plugin.source) : plugin.source;
  const code = String(plugin.setup);
  return [
    plugin.name,
    plugin.version,
    options,
    file === undefined ? code : await digestPackage(file).catch(() => code),
    inputs,
    asked.has('mode') ? mode : undefined,
    asked.has('stage') ? stage.name : undefined,
  ];
}

async function backendKey({ backend, device, threads, root }: ResolvedConfig): Promise<unknown> {
  if (typeof backend !== 'string') return [String(backend), device, threads];
  const file = resolvePackage(backendPackage(backend), root);
  return [backend, file && (await digestPackage(file)), device, threads];
}
