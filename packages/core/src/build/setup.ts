import type { ResolvedConfig, ResolvedStage } from '../config/types.ts';
import { validateOptions } from '../config/options.ts';
import { AnnealError } from '../errors/error.ts';
import { attributed, HookRegistry } from '../hooks/create.ts';
import { STAGE } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import type { Logger } from '../observe/logger.ts';
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

/** Validates options and runs every plugin's `setup`, in order. */
export async function setupStage(config: ResolvedConfig, stage: ResolvedStage, logger: Logger): Promise<StageSetup> {
  const registry = new HookRegistry();
  const plugins: ActivePlugin[] = [];
  for (const plugin of orderPlugins(stage.plugins)) {
    const options = await validateOptions(plugin);
    const dependencies: string[] = [];
    const asked = new Set<'mode' | 'stage'>();
    const api: PluginApi = {
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
      hooks: registry.scoped(plugin.name),
      logger: logger.child(plugin.name),
      state: perRun,
      dependsOn: (path) => {
        dependencies.push(path);
      },
      error: (code, message, details) => new AnnealError(code, message, { plugin: plugin.name, ...details }),
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
