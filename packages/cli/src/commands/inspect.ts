import { AnnealError, suggest } from '@anneal/core';

import type { Command, Context } from '../context.ts';

type View = (context: Context, name: string | undefined) => Promise<number>;

/** Views are loaded when they are asked for: that of graphs needs `@anneal/graph`, the others do not. */
const VIEWS: Readonly<Record<string, () => Promise<View>>> = {
  config: async () => (await import('./inspect-config.ts')).inspectConfig,
  plugins: async () => (await import('./inspect-config.ts')).inspectPlugins,
  hooks: async () => (await import('./inspect-config.ts')).inspectHooks,
  graph: async () => (await import('./inspect-graph.ts')).inspectGraph,
};

/** `anneal inspect config|plugins|hooks|graph` */
export const inspect: Command = async (context) => {
  const [what = '', name] = context.args;
  const load = Object.hasOwn(VIEWS, what) ? VIEWS[what] : undefined;
  if (load === undefined) {
    const near = suggest(what, Object.keys(VIEWS));
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    throw new AnnealError('ANNEAL_E_USAGE', `nothing called \`${what}\` can be inspected${hint}`, {
      fix: `use one of: ${Object.keys(VIEWS).join(', ')}`,
    });
  }
  return (await load())(context, name);
};
