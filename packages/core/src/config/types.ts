import type { Backend } from '@anneal/graph';

import type { Preset } from '../plugin/preset.ts';
import type { Plugin } from '../plugin/types.ts';
import type { RemoteCache, RemoteCacheConfig } from '../remote/types.ts';
import type { TrainConfig } from '../train/types.ts';

/** A plugin, its name, or its name with options; falsy ones are skipped, arrays nest (presets). */
export type PluginInput =
  | Plugin
  | Preset
  | string
  | readonly [name: string, options?: unknown]
  | readonly PluginInput[]
  | false
  | null
  | undefined;

/** What a config says of its backend. */
export interface OpenBackendOptions {
  /** A name, or `auto`. */
  readonly device: string;
  /** Threads per operator; `undefined`: the backend's choice. */
  readonly threads: number | undefined;
  /** Absolute folder of the config: what a device needs may be installed there. */
  readonly root: string;
}

/** Opens a backend. */
export type BackendFactory = (options: OpenBackendOptions) => Promise<Backend>;

/** A whole lifecycle: data → model → train → compress → evaluate → emit. */
export interface StageConfig {
  /** The stage whose model this one starts from; a new model is built when absent. */
  from?: string | undefined;
  /** Plugins of this stage only, after the build's own. */
  plugins?: readonly PluginInput[] | undefined;
  /** Which rows this stage trains on. */
  data?: StageDataConfig | undefined;
  /** `false` skips training. */
  train?: TrainConfig | false | undefined;
  /** Measure this stage's model on the test split. @defaultValue `true` for the last stage */
  evaluate?: boolean | undefined;
  /** Write this stage's model to the output folder. @defaultValue `true` for the last stage */
  emit?: boolean | undefined;
}

/** A part of the dataset. */
export interface StageDataConfig {
  /** Rows of the training and validation splits that this stage uses: column to accepted value or values. */
  where?: Readonly<Record<string, string | number | readonly (string | number)[]>> | undefined;
  /** At most so many training rows, chosen by seed. */
  limit?: number | undefined;
}

/** How variants are measured. */
export interface EvaluateConfig {
  /** Rows per batch. @defaultValue `32` */
  batchSize?: number | undefined;
  /** Single-row runs that latency is taken from. @defaultValue `200` */
  latencyRuns?: number | undefined;
}

/** How results of phases are kept. */
export interface CacheConfig {
  /** Most that the cache folder may take, as bytes or as `20 GB`: what was not used for longest goes. @defaultValue `'20 GB'` */
  maxSize?: number | string | undefined;
  /** Where results are shared with other machines: a URL, its settings, or a store of one's own. @defaultValue nowhere */
  remote?: string | RemoteCacheConfig | RemoteCache | undefined;
}

/** `anneal.config.ts`, or the `anneal` key of package.json. */
export interface UserConfig {
  /** Name of the build, in reports and the model card. @defaultValue the folder's name */
  name?: string | undefined;
  /** Paths or packages of configs that this one builds on. */
  extends?: string | readonly string[] | undefined;
  /** In order; every stage has them. */
  plugins?: readonly PluginInput[] | undefined;
  /** Stages in order. @defaultValue one stage, `main` */
  stages?: Readonly<Record<string, StageConfig>> | undefined;
  /** Training options of every stage; a stage's own win. */
  train?: TrainConfig | undefined;
  /** What the build must reach: `{ accuracy: '>= 0.97', 'size.ratio': '<= 0.35' }`. */
  gates?: Readonly<Record<string, string>> | undefined;
  /** How variants are measured. */
  evaluate?: EvaluateConfig | undefined;
  /** `onnx`, `tfjs`, a package name, or a function that opens one. @defaultValue `'onnx'` */
  backend?: string | BackendFactory | undefined;
  /** `auto`, `cpu`, `webgpu`, `cuda` … @defaultValue `'auto'` */
  device?: string | undefined;
  /** Threads per operator. @defaultValue one per physical core */
  threads?: number | undefined;
  /** @defaultValue `0` */
  seed?: number | undefined;
  /** Where the result goes, relative to the config. @defaultValue `'dist'` */
  outDir?: string | undefined;
  /** @defaultValue `'.anneal/cache'` beside the config */
  cacheDir?: string | undefined;
  /** How results are kept. */
  cache?: CacheConfig | undefined;
  /** Overrides by `--mode`. */
  env?: Readonly<Record<string, Omit<UserConfig, 'env' | 'extends'>>> | undefined;
}

/** What config functions get. */
export interface ConfigEnv {
  /** The CLI's verb, or `'api'`. */
  readonly command: string;
  /** `--mode`. @defaultValue `'production'` */
  readonly mode: string;
}

/** A config that depends on command and mode. */
export type UserConfigFn = (env: ConfigEnv) => UserConfig | Promise<UserConfig>;
/** All that a config file may export. */
export type UserConfigExport = UserConfig | Promise<UserConfig> | UserConfigFn;

/** A stage with every default filled in and its plugins resolved. */
export interface ResolvedStage {
  /** Its key in `stages`. */
  readonly name: string;
  /** The earlier stage whose model it starts from. */
  readonly from: string | undefined;
  /** The build's own, then the stage's. */
  readonly plugins: readonly Plugin[];
  /** Which rows it trains on. */
  readonly data: StageDataConfig;
  /** With defaults; `false`: no training. */
  readonly train: TrainConfig | false;
  /** Whether it is measured on the test split. */
  readonly evaluate: boolean;
  /** Whether it is written to the output folder. */
  readonly emit: boolean;
}

/** The config as the pipeline uses it. */
export interface ResolvedConfig {
  /** Name of the build. */
  readonly name: string;
  /** Absolute folder that relative paths in the config start from. */
  readonly root: string;
  /** Absolute path of the config file, when there is one. */
  readonly file: string | undefined;
  /** `production`, or what `--mode` says. */
  readonly mode: string;
  /** In order. */
  readonly stages: readonly ResolvedStage[];
  /** Conditions by metric. */
  readonly gates: Readonly<Record<string, string>>;
  /** How variants are measured. */
  readonly evaluate: { readonly batchSize: number; readonly latencyRuns: number };
  /** A name, or what opens one. */
  readonly backend: string | BackendFactory;
  /** A name, or `auto`. */
  readonly device: string;
  /** Threads per operator; `undefined`: the backend's choice. */
  readonly threads: number | undefined;
  /** Seed of everything random. */
  readonly seed: number;
  /** Absolute. */
  readonly outDir: string;
  /** Absolute. */
  readonly cacheDir: string;
  /** How results are kept; never part of a key. */
  readonly cache: { readonly maxBytes: number; readonly remote: RemoteCacheConfig | RemoteCache | undefined };
  /** What the values came from, lowest first: for `anneal inspect config`, never for results. */
  readonly layers: readonly ConfigLayer[];
}

/** One source of config values; a later layer wins. */
export interface ConfigLayer {
  /** `anneal.config.ts`, `base.json`, `anneal.config.ts (env.development)`, `--set`, `defaults`. */
  readonly name: string;
  /** Absolute path, when the layer is a file. */
  readonly file: string | undefined;
  /** As written, without `extends` and `env`. */
  readonly values: Omit<UserConfig, 'env' | 'extends'>;
}
