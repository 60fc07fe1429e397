import { type ConfigEnv, defineConfig, definePlugin, type PluginFactory, type UserConfig } from '@anneal/core';

// What an editor tells the author of a config: tsc checks this file, nothing runs it.

declare const lora: PluginFactory<{ r?: number | undefined }>;
declare const source: PluginFactory<{ files: string }>;

void defineConfig({
  plugins: [lora(), lora({ r: 4 }), source({ files: 'x' }), 'name', ['name', { any: 1 }], false, [lora()]],
  train: { epochs: 3, lrScheduler: { name: 'plateau', patience: 2 }, optimizer: { name: 'sgd', momentum: 0.9 } },
  stages: { a: { train: false }, b: { from: 'a', data: { where: { label: ['x', 'y'] } }, plugins: [lora()] } },
  gates: { accuracy: '>= 0.9' },
  env: { fast: { train: { epochs: 1 } } },
});
void defineConfig(Promise.resolve({ seed: 1 }));
void defineConfig(({ mode, command }: ConfigEnv) => ({ name: `${command} ${mode}`, seed: mode === 'fast' ? 1 : 2 }));
void defineConfig(async () => ({ extends: './base.json' }));
const mine: UserConfig = defineConfig({});
void defineConfig({ ...mine, seed: undefined });

// @ts-expect-error: a key that does not exist
void defineConfig({ sed: 1 });
// @ts-expect-error: an option of training that does not exist
void defineConfig({ train: { epoch: 1 } });
// @ts-expect-error: a schedule that does not exist
void defineConfig({ train: { lrScheduler: 'cosin' } });
// @ts-expect-error: only a stage can leave training out
void defineConfig({ train: false });
// @ts-expect-error: a mode has no modes
void defineConfig({ env: { fast: { env: {} } } });
// @ts-expect-error: a factory that was not called
void defineConfig({ plugins: [lora] });
// @ts-expect-error: a promise of a plugin
void defineConfig({ plugins: [Promise.resolve(lora())] });
// @ts-expect-error: what a config function returns is checked, too
void defineConfig(() => ({ sed: 1 }));
// @ts-expect-error: an option that the plugin does not have
lora({ rank: 4 });
// @ts-expect-error: an option of another type
lora({ r: '4' });
// @ts-expect-error: an option that is needed
source();

// @ts-expect-error: a plugin without a schema of its options
definePlugin({ name: 'x', setup() {} });
