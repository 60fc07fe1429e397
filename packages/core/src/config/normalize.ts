import { basename, resolve } from 'node:path';

import { AnnealError } from '../errors/error.ts';
import { pathText } from '../errors/show.ts';
import { suggest } from '../errors/suggest.ts';
import { baseName } from '../plugin/instance.ts';
import type { Plugin } from '../plugin/types.ts';
import { parseBytes } from '../train/memory.ts';
import type { TrainConfig } from '../train/types.ts';
import { merge } from './merge.ts';
import { originOf, presetText } from './origin.ts';
import type { ConfigLayer, ResolvedConfig, ResolvedStage, StageConfig, UserConfig } from './types.ts';

/** Training defaults that do not depend on the data or the model. */
export const TRAIN_DEFAULTS: Readonly<TrainConfig> = {
  epochs: 3,
  batchSize: 32,
  optimizer: 'adamw',
  learningRate: 5e-4,
  weightDecay: 0.01,
  lrScheduler: 'linear',
  warmupRatio: 0,
  maxGradNorm: 1,
  gradientAccumulationSteps: 1,
  gradientCheckpointing: false,
  loadBestModel: true,
  saveSteps: 200,
  maxNonFiniteSteps: 5,
};

/** A few builds of a model of some hundred million weights. */
const MAX_CACHE = '20 GB';

/** The lowest layer. `name` is the folder's, threads the backend's choice. */
export const CONFIG_DEFAULTS: UserConfig & { readonly backend: string } = {
  backend: 'onnx',
  device: 'auto',
  seed: 0,
  outDir: 'dist',
  cacheDir: '.anneal/cache',
  cache: { maxSize: MAX_CACHE },
  evaluate: { batchSize: 32, latencyRuns: 200 },
  train: TRAIN_DEFAULTS,
};

/** The name of the stage when a config has none. */
const MAIN = 'main';

/** A config whose plugins are resolved. */
export type MergedConfig = Omit<UserConfig, 'env' | 'extends' | 'plugins' | 'stages'> & {
  readonly plugins: readonly Plugin[];
  readonly stages: Readonly<Record<string, MergedStage>>;
};
export type MergedStage = Omit<StageConfig, 'plugins'> & { readonly plugins: readonly Plugin[] };

export interface Place {
  readonly root: string;
  readonly file: string | undefined;
  readonly mode: string;
}

const where = (plugin: Plugin): string => {
  const origin = originOf(plugin);
  return origin === undefined ? 'a plugin' : `${pathText(origin.path)}${presetText(origin)}`;
};

function duplicates(stage: string, plugins: readonly Plugin[]): readonly AnnealError[] {
  const seen = new Map<string, Plugin>();
  return plugins.flatMap((plugin) => {
    const first = seen.get(plugin.name);
    if (first === undefined) {
      seen.set(plugin.name, plugin);
      return [];
    }
    const message = `two plugins of stage \`${stage}\` are named \`${plugin.name}\`: ${where(first)} and ${where(plugin)}`;
    const fix = `remove one, or give one a name of its own such as \`${baseName(plugin.name)}#2\``;
    return [new AnnealError('ANNEAL_E_PLUGIN', message, { ...originOf(plugin), fix })];
  });
}

/** `from` names a stage that has already run. */
function checkFrom(
  name: string,
  stage: MergedStage,
  earlier: readonly string[],
  file: string | undefined,
): AnnealError[] {
  if (stage.from === undefined || earlier.includes(stage.from)) return [];
  const near = suggest(stage.from, earlier);
  const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
  const fix = earlier.length > 0 ? `use one of: ${earlier.join(', ')}` : 'remove it: the first stage builds its model';
  const path = ['stages', name, 'from'];
  const message = `\`${pathText(path)}\` must name an earlier stage, received ${JSON.stringify(stage.from)}${hint}`;
  return [new AnnealError('ANNEAL_E_CONFIG', message, { path, file, fix })];
}

function trainConfig(all: TrainConfig | undefined, own: TrainConfig | undefined): TrainConfig {
  const given = merge(merge({}, all), own) as TrainConfig;
  const { batchSize, ...others } = TRAIN_DEFAULTS;
  // A budget of tokens says how many rows there are: nobody who gives one should have to lift the other limit.
  return merge(given.maxTokensPerBatch === undefined ? { batchSize, ...others } : others, given) as TrainConfig;
}

/** Fills in the defaults. What does not fit together goes to `errors`. */
export function normalize(
  config: MergedConfig,
  { root, file, mode }: Place,
  layers: readonly ConfigLayer[],
  errors: AnnealError[],
): ResolvedConfig {
  const named = Object.entries(config.stages);
  const stages = named.length > 0 ? named : [[MAIN, { plugins: [] } as MergedStage] as const];
  const resolved = stages.map(([name, stage], i): ResolvedStage => {
    const isLast = i === stages.length - 1;
    const plugins = [...config.plugins, ...stage.plugins];
    const earlier = stages.slice(0, i).map(([other]) => other);
    errors.push(...duplicates(name, plugins), ...checkFrom(name, stage, earlier, file));
    return {
      name,
      from: stage.from,
      plugins,
      data: stage.data ?? {},
      train: stage.train === false ? false : trainConfig(config.train, stage.train),
      evaluate: stage.evaluate ?? isLast,
      emit: stage.emit ?? isLast,
    };
  });
  const remote = config.cache?.remote;
  return {
    name: config.name ?? (basename(root) || 'model'),
    root,
    file,
    mode,
    stages: resolved,
    gates: config.gates ?? {},
    evaluate: { batchSize: config.evaluate?.batchSize ?? 32, latencyRuns: config.evaluate?.latencyRuns ?? 200 },
    backend: config.backend ?? CONFIG_DEFAULTS.backend,
    device: config.device ?? 'auto',
    threads: config.threads,
    seed: config.seed ?? 0,
    outDir: resolve(root, config.outDir ?? 'dist'),
    cacheDir: resolve(root, config.cacheDir ?? '.anneal/cache'),
    cache: {
      maxBytes: parseBytes(config.cache?.maxSize ?? MAX_CACHE) as number,
      remote: typeof remote === 'string' ? { url: remote } : remote,
    },
    layers,
  };
}
