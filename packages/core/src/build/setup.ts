import type { ResolvedConfig, ResolvedStage } from '../config/types.ts';
import { deprecatedOptions, validateOptions } from '../config/options.ts';
import { originOf } from '../config/origin.ts';
import { AnnealError } from '../errors/error.ts';
import { throwAll } from '../errors/throw-all.ts';
import { attributed } from '../hooks/attribute.ts';
import { HookRegistry, type TapCall } from '../hooks/create.ts';
import { STAGE } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import type { Logger } from '../observe/logger.ts';
import { type Providers, unmetRequirements } from '../plugin/capabilities.ts';
import { Deprecations } from '../plugin/deprecations.ts';
import { ownName } from '../plugin/instance.ts';
import { orderPlugins } from '../plugin/order.ts';
import type { Plugin, PluginApi } from '../plugin/types.ts';
import type { Run } from '../run.ts';

/** A plugin that was set up, with what its results depend on. */
export interface ActivePlugin {
  readonly plugin: Plugin;
  /** Validated, defaults applied. */
  readonly options: unknown;
  /** Paths as it gave them, from the config's folder. */
  readonly dependencies: readonly string[];
  /** What it asked for besides its options: part of its cache key then. */
  readonly asked: ReadonlySet<'mode' | 'stage'>;
}

/** The plugins and hooks of one stage. */
export interface StageSetup {
  readonly stage: ResolvedStage;
  readonly plugins: readonly ActivePlugin[];
  readonly registry: HookRegistry;
  /** The model just before `STAGE.PRUNE` of `compress.transformModel`, by run. */
  readonly references: WeakMap<Run, Model>;
}

const SETUP_TIMEOUT_MS = 30_000;

/** What the stages of a pipeline are set up with. */
export interface SetupServices {
  readonly logger: Logger;
  /** @defaultValue warnings */
  readonly deprecations?: Deprecations | undefined;
  /** Whom errors suggest, beside the plugins that core knows. */
  readonly providers?: Providers | undefined;
  /** Hears every call of a tap. */
  readonly onCall?: ((call: TapCall) => void) | undefined;
}

/** Validates options and runs every plugin's `setup`, in order. */
export async function setupStage(
  config: ResolvedConfig,
  stage: ResolvedStage,
  { logger, onCall, ...services }: SetupServices,
): Promise<StageSetup> {
  const { deprecations = new Deprecations(logger, false), providers = nobody } = services;
  throwAll(await unmetRequirements(stage.name, stage.plugins, providers));
  const registry = new HookRegistry((plugin, hook, deprecation) => {
    deprecations.note(`Hook \`${hook}\``, deprecation, { plugin, hook });
  });
  registry.onCall = onCall;
  const plugins: ActivePlugin[] = [];
  for (const plugin of orderPlugins(stage.plugins)) {
    const options = await validateOptions(plugin);
    noteDeprecated(plugin, deprecations);
    const dependencies: string[] = [];
    const asked = new Set<'mode' | 'stage'>();
    const { name } = plugin;
    const api: PluginApi = {
      name,
      get stage() {
        asked.add('stage');
        return stage.name;
      },
      root: config.root,
      get mode() {
        asked.add('mode');
        return config.mode;
      },
      seed: config.seed,
      hooks: registry.scoped(name),
      provideHooks: (owner, declarations) => registry.provide(name, owner, declarations),
      hooksOf: (owner, { optional = false } = {}) => registry.hooksOf(name, owner, optional),
      logger: logger.child(name),
      own: (what) => ownName(name, what),
      deprecate: (what, deprecation) => {
        deprecations.note(what, deprecation, { plugin: name });
      },
      state: perRun,
      dependsOn: (path) => {
        dependencies.push(path);
      },
      error: (code, message, details) => new AnnealError(code, message, { plugin: name, ...details }),
    };
    await withTimeout(plugin, async () => plugin.setup(api, options));
    plugins.push({ plugin, options, dependencies, asked });
  }
  const references = new WeakMap<Run, Model>();
  // What is shipped as full precision: all that comes before the first lossy stage.
  registry.scoped('anneal:reference').compress.transformModel.tap(
    (model, { run }) => {
      references.set(run, model);
    },
    { stage: STAGE.PRUNE - 1 },
  );
  registry.freeze();
  return { stage, plugins, registry, references };
}

const nobody: Providers = () => Promise.resolve([]);

function noteDeprecated(plugin: Plugin, deprecations: Deprecations): void {
  const { name, deprecated } = plugin;
  const { path = [], file } = originOf(plugin) ?? {};
  if (deprecated !== undefined) deprecations.note('This plugin', deprecated, { plugin: name, path, file });
  for (const [option, deprecation] of deprecatedOptions(plugin)) {
    deprecations.note(`Option \`${option}\``, deprecation, { plugin: name, path: [...path, option], file });
  }
}

function perRun<T>(create: (run: Run) => T): (run: Run) => T {
  const states = new WeakMap<Run, { readonly value: T }>();
  return (run) => {
    let state = states.get(run);
    if (state === undefined) {
      state = { value: create(run) };
      states.set(run, state);
    }
    return state.value;
  };
}

async function withTimeout(plugin: Plugin, setup: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new AnnealError('ANNEAL_E_SETUP', `setup did not finish within ${SETUP_TIMEOUT_MS / 1000} s`, {
          plugin: plugin.name,
          fix: 'move slow work into a hook',
        }),
      );
    }, SETUP_TIMEOUT_MS);
  });
  try {
    await Promise.race([setup(), late]);
  } catch (error) {
    const coded = attributed(error, plugin.name, 'setup');
    if (coded.code !== 'ANNEAL_E_HOOK') throw coded;
    throw new AnnealError('ANNEAL_E_SETUP', coded.message, { plugin: plugin.name, cause: coded.cause });
  } finally {
    clearTimeout(timer);
  }
}
