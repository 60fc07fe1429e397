import { relative } from 'node:path';

import {
  AnnealError,
  type ConfigOrigin,
  explainConfig,
  isPlugin,
  pathText,
  type Plugin,
  type ResolvedConfig,
  suggest,
  validateOptions,
} from '@anneal/core';

import { breakAt, type Context, loadConfigFor, widthFor } from '../context.ts';
import { columns, cut, oneLine } from '../ui/text.ts';

/** A value on one line; what JSON cannot say is named. */
function valueText(value: unknown): string {
  const json = JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'function') return inner.name === '' ? '[function]' : `[function ${inner.name}]`;
    return inner;
  });
  return oneLine(json ?? String(value));
}

/** How plugins of a layer are shown: `lora`, not the object. */
function pluginText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    const [first, second] = value as readonly unknown[];
    const isNamed = value.length === 2 && typeof first === 'string' && typeof second === 'object' && !isPlugin(second);
    return isNamed ? first : value.map(pluginText).join(', ');
  }
  return typeof value === 'object' && value !== null && 'name' in value ? String(value.name) : valueText(value);
}

function stagesJson({ stages }: ResolvedConfig): readonly object[] {
  return stages.map(({ plugins, ...stage }) => ({ ...stage, plugins: plugins.map(({ name }) => name) }));
}

/** Values of one key stand together, whichever layer they are from. */
function grouped(origins: readonly ConfigOrigin[]): readonly ConfigOrigin[] {
  const keys = [...new Set(origins.map(({ path }) => path[0]))];
  return keys.flatMap((key) => origins.filter(({ path }) => path[0] === key));
}

/** `anneal inspect config`: every value and where it came from. */
export async function inspectConfig(context: Context): Promise<number> {
  const { io, options, style } = context;
  const config = await loadConfigFor(context);
  const origins = grouped(explainConfig(config.layers)).map(({ path, value, source }) => ({
    path: pathText(path),
    value,
    source,
  }));
  if (options.flag('json')) {
    const { layers: _, stages: __, ...values } = config;
    context.json({ ...values, stages: stagesJson(config), origins });
    return 0;
  }
  const width = widthFor(context);
  context.print(`${style.bold(config.name)}  ${config.file === undefined ? '' : relative(io.cwd, config.file)}`);
  const rows = origins.map(({ path, value, source }) => {
    const text = path.endsWith('plugins') ? pluginText(value) : valueText(value);
    return [path, cut(text, Math.max(20, width - 50)), source === 'defaults' ? style.dim(source) : source];
  });
  context.print(columns(rows, { width: breakAt(context) }));
  context.print(`\n${style.bold('Stages')}`);
  const stageRows = config.stages.map(({ name, from, plugins, train, evaluate, emit }) => [
    name,
    from === undefined ? 'new model' : `from ${from}`,
    [train === false ? '' : 'train', evaluate ? 'evaluate' : '', emit ? 'emit' : ''].filter(Boolean).join(', '),
    plugins.map((plugin) => plugin.name).join(', '),
  ]);
  context.print(columns(stageRows, { width: breakAt(context) }));
  return 0;
}

async function describe(plugin: Plugin): Promise<object> {
  const { name, version, enforce, before, after, provides, requires, options } = plugin;
  const order = { enforce, before, after, provides, requires };
  return { name, version, ...order, given: options, options: await validateOptions(plugin) };
}

/** `anneal inspect plugins`: options as given and as completed. */
export async function inspectPlugins(context: Context): Promise<number> {
  const { options, style } = context;
  const { stages } = await loadConfigFor(context);
  if (options.flag('json')) {
    const described = stages.map(async ({ name, plugins }) => ({
      stage: name,
      plugins: await Promise.all(plugins.map(describe)),
    }));
    context.json(await Promise.all(described));
    return 0;
  }
  const width = widthFor(context);
  for (const { name, plugins } of stages) {
    context.print(style.bold(name));
    for (const plugin of plugins) {
      const order = [
        plugin.enforce,
        ...plugin.before.map((other) => `before ${other}`),
        ...plugin.after.map((other) => `after ${other}`),
        ...(plugin.provides ?? []).map((what) => `provides ${what}`),
        ...(plugin.requires ?? []).map((what) => `requires ${what}`),
      ];
      const facts = [plugin.version, ...order.filter((fact) => fact !== undefined)].join(', ');
      context.print(`  ${style.cyan(plugin.name)} ${style.dim(facts)}`);
      const completed = (await validateOptions(plugin)) as Readonly<Record<string, unknown>>;
      const given = plugin.options as Readonly<Record<string, unknown>>;
      const rows = Object.entries(completed).map(([key, value]) => [
        key,
        cut(valueText(value), width - 30),
        Object.hasOwn(given, key) ? '' : style.dim('default'),
      ]);
      if (rows.length > 0) context.print(columns(rows, { indent: 4, width: breakAt(context) }));
    }
  }
  return 0;
}

/** `anneal inspect hooks [name]`: taps in the order in which they run. */
export async function inspectHooks(context: Context, name: string | undefined): Promise<number> {
  const { options, services, style } = context;
  const pipeline = await services.createPipeline(await loadConfigFor(context), { strict: options.flag('strict') });
  try {
    const all = pipeline.taps();
    const taps = name === undefined ? all : all.filter(({ hook }) => hook === name || hook.startsWith(`${name}.`));
    if (name !== undefined && taps.length === 0) {
      const hooks = [...new Set(all.map(({ hook }) => hook))];
      const near = suggest(name, hooks);
      const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
      const fix = `use one of: ${hooks.join(', ')}`;
      throw new AnnealError('ANNEAL_E_USAGE', `no plugin taps \`${name}\`${hint}`, { fix });
    }
    if (options.flag('json')) {
      context.json(taps);
      return 0;
    }
    for (const stage of new Set(taps.map((tap) => tap.stage))) {
      const rows = taps
        .filter((tap) => tap.stage === stage)
        .map(({ hook, kind, plugin, reasons }) => [hook, style.cyan(plugin), style.dim([kind, ...reasons].join(', '))]);
      context.print(`${style.bold(stage)}\n${columns(rows, { width: breakAt(context) })}`);
    }
    return 0;
  } finally {
    await pipeline.close();
  }
}
