import {
  AnnealError,
  Artifacts,
  createLogger,
  type AuditSection,
  type Dataset,
  type LogEntry,
  type Plugin,
  type PluginApi,
  type Row,
  type Run,
  type Sample,
} from '@anneal/core';

type Tap = (...args: unknown[]) => unknown;

/** Sets a plugin up by itself and calls its taps: what core does, without phases and cache. */
export class Harness {
  readonly artifacts: Artifacts = new Artifacts();
  readonly log: Pick<LogEntry, 'level' | 'message'>[] = [];
  readonly dependencies: string[] = [];
  readonly written: Map<string, string> = new Map();
  readonly controller: AbortController = new AbortController();
  readonly #taps = new Map<string, Tap>();
  readonly #run: Run;

  constructor(stages: object[] = []) {
    const { artifacts } = this;
    const config = { stages } as unknown as Run['config'];
    this.#run = { id: 'run', seed: 0, signal: this.controller.signal, artifacts, config };
  }

  async setUp(plugin: Plugin, root = '/nowhere'): Promise<this> {
    const checked = await plugin.schema['~standard'].validate(plugin.options);
    if (checked.issues)
      throw new AnnealError('ANNEAL_E_OPTIONS', checked.issues.map(({ message }) => message).join('\n'));
    const states = new WeakMap<Run, unknown>();
    const hooks = new Proxy({}, { get: (_, group) => this.#group(String(group)) });
    const api = {
      root,
      hooks,
      logger: this.#logger(),
      dependsOn: (path: string) => void this.dependencies.push(path),
      state: (create: (run: Run) => unknown) => (run: Run) => {
        if (!states.has(run)) states.set(run, create(run));
        return states.get(run);
      },
    };
    await plugin.setup(api as unknown as PluginApi, checked.value);
    return this;
  }

  /** The data phase. Returns what was audited. */
  async data(splits: Record<string, Row[]>): Promise<Record<string, AuditSection>> {
    const dataset: Dataset = {
      splits: splits as unknown as Dataset['splits'],
      report: { rowsIn: 0, dropped: {}, samples: [], splits: {} },
    };
    const audit: Record<string, AuditSection> = {};
    await this.#call('data.afterDataset', dataset, this.#context());
    const report = (name: string, section: AuditSection): void => void (audit[name] = section);
    await this.#call('data.auditDataset', dataset, report, this.#context());
    return audit;
  }

  sample(row: Row, maxLength = 512, features: Sample['features'] = {}): Sample['features'] {
    const sample = this.#call('data.transformSample', { row, features }, { run: this.#run, maxLength }) as Sample;
    return sample.features;
  }

  async emit(modelConfig: object): Promise<void> {
    const write = async (path: string, data: string): Promise<void> => void this.written.set(path, data);
    await this.#call('emit.emit', { ...this.#context(), model: { config: modelConfig }, write });
  }

  #group(group: string): object {
    return new Proxy({}, { get: (_, name) => ({ tap: (fn: Tap) => this.#taps.set(`${group}.${String(name)}`, fn) }) });
  }

  #call(hook: string, ...args: unknown[]): unknown {
    const tap = this.#taps.get(hook);
    if (!tap) throw new Error(`${hook} was not tapped`);
    return tap(...args);
  }

  #logger(): ReturnType<typeof createLogger> {
    return createLogger(({ level, message }) => void this.log.push({ level, message }));
  }

  #context(): object {
    const progress = (): object => ({ update: () => undefined, done: () => undefined });
    return { run: this.#run, stage: 'main', logger: this.#logger(), signal: this.controller.signal, progress };
  }
}
