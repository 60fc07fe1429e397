import { dirname, join } from 'node:path';

import type { ResolvedConfig } from '../config/types.ts';
import type { Providers } from '../plugin/capabilities.ts';
import { type Manifest, manifestOf } from './manifest.ts';

function* foldersAbove(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (dirname(at) === at) return;
  }
}

function installed(name: string, root: string): Manifest | undefined {
  for (const folder of foldersAbove(root)) {
    const found = manifestOf(join(folder, 'node_modules', name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Who provides something: plugins of other stages, and packages that the project has but does not use here. */
export function providersIn({ stages, root }: ResolvedConfig): Providers {
  return (what) => {
    const elsewhere = stages.flatMap(({ name, plugins }) =>
      plugins
        .filter(({ provides = [] }) => provides.includes(what))
        .map((plugin) => `\`${plugin.name}\` of stage \`${name}\``),
    );
    const { dependencies, devDependencies, optionalDependencies } = manifestOf(root) ?? {};
    const packages = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
      .filter((name) => installed(name, root)?.anneal?.provides?.includes(what) === true)
      .map((name) => `the plugin of ${name}, which is installed`);
    return Promise.resolve([...new Set([...elsewhere, ...packages])]);
  };
}
