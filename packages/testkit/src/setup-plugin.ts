import {
  AnnealError,
  Artifacts,
  createLogger,
  type Hooks,
  type LogEntry,
  type LossContext,
  ownName,
  type PhaseContext,
  type Plugin,
  type PluginApi,
  type PluginHooks,
  type ResolvedConfig,
  type Run,
  type StepContext,
  validateOptions,
} from '@anneal/core';
import { type GraphBuilder, referenceBackend, type Value } from '@anneal/graph';

/** The function that a hook takes. */
export type TapFunction<H> = H extends { tap(fn: infer F, ...rest: never): void } ? F : never;

/** Hooks of core, and those that plugins have for others. */
type AllHooks = Hooks & PluginHooks;

/** A plugin set up alone, its taps ready to be called. */
export interface PluginUnderTest {
  /** Functions that it tapped to a hook, in order: `taps('train', 'transformTargets')`. */
  taps<G extends keyof AllHooks, K extends keyof AllHooks[G]>(
    group: G,
    hook: K,
  ): readonly TapFunction<AllHooks[G][K]>[];
  /** The one function that it tapped to a hook. @throws Error when there are none or several. */
  tap<G extends keyof AllHooks, K extends keyof AllHooks[G]>(group: G, hook: K): TapFunction<AllHooks[G][K]>;
  /** What it logged. */
  readonly logs: readonly LogEntry[];
  /** What its results depend on. */
  readonly dependencies: readonly string[];
  /** What every phase offers; the backend is the reference interpreter. */
  readonly phase: PhaseContext;
}

/** Where a plugin is set up. */
export interface SetupPluginOptions {
  /** Folder of the config. @defaultValue `'/'` */
  readonly root?: string | undefined;
  /** @defaultValue `'main'` */
  readonly stage?: string | undefined;
  /** @defaultValue `0` */
  readonly seed?: number | undefined;
  /** @defaultValue a signal that is never aborted */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Validates a plugin's options and runs its `setup` with an API that collects what it taps, so that taps are called
 * like functions.
 *
 * @throws AnnealError `ANNEAL_E_OPTIONS` when the options are not valid.
 */
export async function setupPlugin(plugin: Plugin, options: SetupPluginOptions = {}): Promise<PluginUnderTest> {
  const { root = '/', stage = 'main', seed = 0, signal = new AbortController().signal } = options;
  const taps = new Map<string, unknown[]>();
  const logs: LogEntry[] = [];
  const dependencies: string[] = [];
  const logger = createLogger((entry) => logs.push(entry), plugin.name);
  const group = (name: string): unknown =>
    new Proxy(
      {},
      {
        get: (_, hook) => ({
          tap(fn: unknown) {
            const key = `${name}.${String(hook)}`;
            taps.set(key, [...(taps.get(key) ?? []), fn]);
          },
        }),
      },
    );
  const states = new WeakMap<Run, Map<unknown, unknown>>();
  const api: PluginApi = {
    name: plugin.name,
    stage,
    root,
    mode: 'test',
    seed,
    hooks: new Proxy({}, { get: (_, name) => group(String(name)) }) as PluginApi['hooks'],
    logger,
    state: (create) => (run) => {
      const own = states.get(run) ?? new Map<unknown, unknown>();
      states.set(run, own);
      if (!own.has(create)) own.set(create, create(run));
      return own.get(create) as ReturnType<typeof create>;
    },
    provideHooks: (_, declarations) => untapped(declarations as Declarations) as never,
    hooksOf: (name) => group(name) as never,
    own: (name) => ownName(plugin.name, name),
    deprecate: (what, { since, use }) => {
      logger.warn(`${what} is deprecated since ${since}, use ${use}`);
    },
    dependsOn: (path) => void dependencies.push(path),
    error: (code, message, details) => new AnnealError(code, message, { plugin: plugin.name, ...details }),
  };
  await plugin.setup(api, await validateOptions(plugin));
  const found = (key: string): readonly unknown[] => taps.get(key) ?? [];
  const run: Run = { id: 'test', config: configOf(root, seed), seed, signal, artifacts: new Artifacts() };
  return {
    taps: (name, hook) => found(`${name}.${String(hook)}`) as never,
    tap: (name, hook) => {
      const key = `${name}.${String(hook)}`;
      const own = found(key);
      if (own.length !== 1) throw new Error(`${plugin.name} taps ${key} ${own.length} times`);
      return own[0] as never;
    },
    logs,
    dependencies,
    phase: {
      run,
      stage,
      root,
      seed,
      logger,
      signal,
      progress: () => ({ update: () => undefined, done: () => undefined }),
      backend: () => Promise.resolve(referenceBackend()),
    },
  };
}

type Declarations = Readonly<Record<string, string | { readonly kind: string }>>;

/** Hooks that nobody taps: what goes into a waterfall comes out, and nobody answers the others. */
function untapped(declarations: Declarations): object {
  return Object.fromEntries(
    Object.entries(declarations).map(([hook, declared]) => {
      const kind = typeof declared === 'string' ? declared : declared.kind;
      const call = (value: unknown): unknown => (kind.endsWith('waterfall') ? value : undefined);
      return [hook, { call, promise: (value: unknown) => Promise.resolve(call(value)) }];
    }),
  );
}

function configOf(root: string, seed: number): ResolvedConfig {
  return {
    name: 'test',
    root,
    file: undefined,
    mode: 'test',
    stages: [],
    gates: {},
    evaluate: { batchSize: 32, latencyRuns: 1 },
    backend: 'reference',
    device: 'cpu',
    threads: undefined,
    seed,
    outDir: root,
    cacheDir: root,
    cache: { maxBytes: 0, remote: undefined },
    layers: [],
  };
}

/**
 * What traced hooks get, over a graph builder: scalars and random tensors become inputs named `scalar:<name>` and
 * `random:<name>`; sample weights are the input `sample_weights`, targets of a loss the input `targets`.
 */
export function stepContext(
  g: GraphBuilder,
  context: Pick<StepContext, 'task' | 'batchSize'> & Partial<LossContext>,
): LossContext {
  let weights: Value | undefined;
  let targets: Value | undefined;
  return {
    ops: g.ops,
    stage: 'main',
    features: {},
    // Declared at first use: a graph that does not need them has no such input.
    get sampleWeights() {
      weights ??= g.input('sample_weights', 'float32', [context.batchSize]);
      return weights;
    },
    outputs: {},
    get targets() {
      targets ??= g.input('targets', 'float32', [context.batchSize]);
      return targets;
    },
    parameters: new Map(),
    scalar: (name) => g.input(`scalar:${name}`, 'float32', []),
    random: (name, shape) => g.input(`random:${name}`, 'float32', shape),
    ...context,
  };
}
