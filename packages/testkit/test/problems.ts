import { definePlugin, type OptionSchema, type PluginApi, type PluginFactory } from '@anneal/core';
import * as v from 'valibot';

import { testPlugin, type TestPluginOptions } from '../src/index.ts';

export interface Options {
  factor?: number | undefined;
}
const options: OptionSchema<Options, { factor: number }> = v.strictObject({
  factor: v.optional(v.pipe(v.number(), v.minValue(0), v.description('What the loss is multiplied by.')), 2),
});

/** A plugin with one option that does what `setup` says. */
export function plugin(setup: (api: PluginApi, options: { factor: number }) => void): PluginFactory<Options> {
  return definePlugin({ name: 'scaled-loss', options, setup });
}

export const right: PluginFactory<Options> = plugin((api, { factor }) => {
  api.hooks.train.transformLoss.tap((loss, { ops }) => ops.mul(loss, factor));
});

/** What went wrong by the name of the test; nothing when all is well. */
export async function problems<In>(
  factory: PluginFactory<In>,
  cases: Partial<TestPluginOptions<In>>,
  only?: string,
): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const { name, run } of testPlugin(factory, { valid: [], ...cases })) {
    if (only !== undefined && name !== only) continue;
    await run().catch((error: unknown) => (found[name] = error instanceof Error ? error.message : String(error)));
  }
  return found;
}

/** One build, and the names of its tests. */
export const BUILD: { readonly valid: readonly [{ readonly name: 'build' }] } = { valid: [{ name: 'build' }] };
export const ALONE = 'build: leaves what it is given as it is, and nothing open';
export const SHARED = 'build: two runs share nothing';
export const AGAIN = 'build (reference): the same bytes again';
