import type { PluginFactory } from '@anneal/core';

import { buildTests } from './check-builds.ts';
import { errorTest } from './check-errors.ts';
import { optionTests } from './check-options.ts';
import { tracedTests } from './check-traced.ts';
import type { PluginTest, TestPluginOptions } from './types.ts';

/** Names must tell tests apart, and a case twice tests nothing. */
function checkNames(tests: readonly PluginTest[]): readonly PluginTest[] {
  const names = tests.map(({ name }) => name);
  const twice = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  if (twice.length === 0) return tests;
  const run = (): Promise<void> =>
    Promise.reject(new Error(`there are two cases called ${twice.map((name) => `"${name}"`).join(', ')}`));
  return [...tests, { name: 'cases have names of their own', run }];
}

/**
 * The tests of a plugin: its options (JSON, descriptions, README), builds that must succeed on every backend with the
 * same bytes every time, hooks of the training step with their gradients, and what must be refused. Returns the tests, and
 * registers them when `it` is given:
 *
 * ```ts
 * testPlugin(labelSmoothing, {
 *   it,
 *   readme: new URL('../README.md', import.meta.url),
 *   valid: [{ name: 'classification', options: { epsilon: 0.2 } }],
 *   traced: [{ name: 'two classes', hook: 'transformTargets', value: tensor('float32', [1, 2], [0, 1]) }],
 *   invalid: [{ options: { epsilon: 1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['epsilon'] }] }],
 * });
 * ```
 */
export function testPlugin<In>(
  plugin: PluginFactory<In>,
  { valid, invalid = [], traced = [], backends = {}, readme, it }: TestPluginOptions<In>,
): readonly PluginTest[] {
  const tests = checkNames([
    ...optionTests(plugin, [...valid, ...traced], readme),
    ...valid.flatMap((test) => buildTests(plugin, test, backends)),
    ...traced.flatMap((test) => tracedTests(plugin, test, backends)),
    ...invalid.map((test) => errorTest(plugin, test)),
  ]);
  for (const { name, run } of tests) it?.(name, run);
  return tests;
}
