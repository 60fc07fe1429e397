import { type AnnealError, isAnnealError, type PluginFactory, validateOptions } from '@anneal/core';

import { runPipeline } from '../run-pipeline.ts';
import { configOf, pluginOf } from './check-builds.ts';
import type { ExpectedError, InvalidCase, PluginTest } from './types.ts';

/** The errors of something that must fail, those found at the same time included. */
async function errorsOf(work: () => Promise<unknown>): Promise<readonly AnnealError[]> {
  try {
    await work();
  } catch (error) {
    if (isAnnealError(error)) return [error, ...error.also];
    throw new Error('an error without a code was thrown: use `api.error`', { cause: error });
  }
  return [];
}

const text = ({ code, message, path = [], hook }: ExpectedError): string =>
  `${code} ${message === undefined ? '' : String(message)}${path.length > 0 ? ` at ${path.join('.')}` : ''}${hook === undefined ? '' : ` in ${hook}`}`.trim();

function fits(error: AnnealError, { code, message, path, hook }: ExpectedError): boolean {
  const said =
    message === undefined || (typeof message === 'string' ? error.message === message : message.test(error.message));
  // The path of an option starts where the plugin stands in the config.
  const place = path === undefined || (error.path ?? []).slice(-path.length).join() === path.join();
  return error.code === code && said && place && (hook === undefined || error.hook === hook);
}

/** The test of options that must be refused, by the schema or else by a build. */
export function errorTest<In>(factory: PluginFactory<In>, test: InvalidCase): PluginTest {
  const { options, errors: expected, files } = test;
  return {
    name: `refuses ${test.name ?? JSON.stringify(options ?? {})}`,
    run: async () => {
      if (expected.length === 0) throw new Error('the case names no error');
      const plugin = pluginOf(factory, options);
      const refused = await errorsOf(() => validateOptions(plugin));
      const errors =
        refused.length > 0 ? refused : await errorsOf(() => runPipeline(configOf(plugin, test), { files }));
      if (errors.length === 0) throw new Error(`nothing was wrong, expected ${expected.map(text).join('; ')}`);
      const wrong =
        errors.length !== expected.length || !expected.every((one, i) => fits(errors[i] as AnnealError, one));
      if (wrong) {
        throw new Error(`expected ${expected.map(text).join('; ')}\nreceived ${errors.map(text).join('; ')}`, {
          cause: errors[0],
        });
      }
      const nameless = errors.find((error) => error.plugin !== plugin.name);
      if (nameless !== undefined) {
        throw new Error(
          `${nameless.code} does not name the plugin: throw \`api.error\`, received ${nameless.plugin ?? 'none'}`,
        );
      }
    },
  };
}
