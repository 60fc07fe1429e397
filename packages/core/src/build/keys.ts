import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ResolvedConfig } from '../config/types.ts';
import { digest, digestPackage, digestPath } from '../node/hash.ts';
import { resolvePackage } from '../node/resolve.ts';
import type { PhaseName } from '../observe/events.ts';
import type { ActivePlugin, StageSetup } from './setup.ts';

/** Phases in order; the key of each contains the key of the one before. */
export const PHASES: readonly PhaseName[] = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'];

export type PhaseKeys = Readonly<Record<PhaseName, string>>;

/** Package that a backend is named by. */
export function backendPackage(backend: string): string {
  return backend.startsWith('@') || backend.includes('/') ? backend : `@anneal/backend-${backend}`;
}

/**
 * Cache keys of a stage. A plugin counts from the first phase whose hooks it taps, with its name, version, code,
 * options and declared files; the config counts where it is used; the code of core and of the backend count everywhere
 * that they run.
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
    if (first !== undefined) parts.get(first)?.push(await pluginKey(active, config.root));
  }
  const backend = await backendKey(config);
  const slices: Readonly<Record<PhaseName, unknown>> = {
    data: [await digestPackage(fileURLToPath(import.meta.url)), config.seed],
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

async function pluginKey({ plugin, options, dependencies }: ActivePlugin, root: string): Promise<unknown> {
  const inputs: [path: string, digest: string][] = [];
  // One after the other: a data plugin may name more files than a process may open.
  for (const path of dependencies) inputs.push([relative(root, path), await digestPath(path)]);
  const file = plugin.source?.startsWith('file:') ? fileURLToPath(plugin.source) : plugin.source;
  return [
    plugin.name,
    plugin.version,
    options,
    file === undefined ? String(plugin.setup) : await digestPackage(file).catch(() => String(plugin.setup)),
    inputs,
  ];
}

async function backendKey({ backend, device, threads, root }: ResolvedConfig): Promise<unknown> {
  if (typeof backend !== 'string') return [String(backend), device, threads];
  const file = resolvePackage(backendPackage(backend), root);
  return [backend, file && (await digestPackage(file)), device, threads];
}
