import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { originOf } from '../config/origin.ts';
import { AnnealError } from '../errors/error.ts';
import type { Plugin } from '../plugin/types.ts';
import { type Manifest, nearestManifest } from './manifest.ts';

const OWN = '@anneal/core';

/** The version of this package. */
export function coreVersion(): string {
  return nearestManifest(dirname(fileURLToPath(import.meta.url)))?.version ?? '0.0.0';
}

/** The versions of core that a plugin says it works with, and where it says so. */
function rangeOf(
  { core, source }: Plugin,
  manifests: Map<string, Manifest | undefined>,
): readonly [range: string, from: string] | undefined {
  if (core !== undefined) return [core, 'itself'];
  if (source === undefined) return undefined;
  const folder = dirname(source.startsWith('file:') ? fileURLToPath(source) : source);
  // A package may have many plugins.
  if (!manifests.has(folder)) manifests.set(folder, nearestManifest(folder));
  const manifest = manifests.get(folder);
  // Workspaces write where a package comes from before its range, or in place of it.
  const range = manifest?.peerDependencies?.[OWN]?.replace(/^workspace:[*^~]?/, '');
  return range === undefined || range === ''
    ? undefined
    : [range, `the package.json of ${manifest?.name ?? 'its package'}`];
}

/**
 * What is wrong with the versions of core that plugins ask for.
 *
 * @param version - what there is. Versions before a release count as the release.
 */
export async function versionErrors(
  plugins: readonly Plugin[],
  version: string = coreVersion(),
): Promise<readonly AnnealError[]> {
  const manifests = new Map<string, Manifest | undefined>();
  const wanted = plugins.flatMap((plugin) => {
    const range = rangeOf(plugin, manifests);
    return range === undefined ? [] : [[plugin, ...range] as const];
  });
  if (wanted.length === 0) return [];
  const [{ default: satisfies }, { default: validRange }] = await Promise.all([
    import('semver/functions/satisfies.js'),
    import('semver/ranges/valid.js'),
  ]);
  return wanted.flatMap(([plugin, range, from]) => {
    const { path, file } = originOf(plugin) ?? {};
    const fail = (code: 'ANNEAL_E_PLUGIN' | 'ANNEAL_E_VERSION', message: string, fix: string): AnnealError =>
      new AnnealError(code, message, { plugin: plugin.name, path, file, fix });
    if (validRange(range) === null) {
      return [
        fail(
          'ANNEAL_E_PLUGIN',
          `names no range of versions: "${range}" (${from})`,
          'write for example `>=0.2.0 <1.0.0`',
        ),
      ];
    }
    if (satisfies(version, range, { includePrerelease: true })) return [];
    return [
      fail(
        'ANNEAL_E_VERSION',
        `works with ${OWN} ${range} (${from}), received ${version}`,
        `install a version of the plugin that works with ${version}, or ${OWN} ${range}`,
      ),
    ];
  });
}
