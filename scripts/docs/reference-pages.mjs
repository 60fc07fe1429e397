// Pages of docs/reference that are made from the code.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../workspace.mjs';
import { interfacesOf } from './interfaces.mjs';
import { optionsTable } from './options.mjs';

const GENERATED = '<!-- Written by scripts/docs-gen.mjs: change the source instead. -->';
const page = (...parts) => `${parts.join('\n\n')}\n`;

const optionRows = (options) =>
  Object.entries(options).map(([name, { short, value, about, multiple }]) => {
    const flag = `\`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}\``;
    return `| ${flag} | ${about}${multiple && !about.includes('repeated') ? '; may be repeated' : ''} |`.replaceAll(
      '<ts|json>',
      '<ts\\|json>',
    );
  });
const flagTable = (options) => ['| option | |', '| --- | --- |', ...optionRows(options)].join('\n');

/** Every command of `anneal`, from the table that parses the command line. */
export function commandsPage({ COMMANDS, GLOBAL_OPTIONS }) {
  const sections = Object.entries(COMMANDS).map(([name, { about, args, options, examples = [] }]) =>
    [
      `## anneal ${name}`,
      `\`anneal ${[name, ...args].join(' ')}\``,
      `${about}.`,
      ...(Object.keys(options).length > 0 ? [flagTable(options)] : []),
      ...(examples.length > 0 ? [`\`\`\`sh\n${examples.join('\n')}\n\`\`\``] : []),
    ].join('\n\n'),
  );
  return page(
    '# Commands',
    GENERATED,
    'What the words of the command line mean. [The guide](../guides/commands.md) says how they work together.',
    '## Options of every command',
    flagTable(GLOBAL_OPTIONS),
    ...sections,
  );
}

/** Every key of a config, from its JSON Schema and its interfaces. */
export function configPage(schema) {
  const types = interfacesOf('packages/core');
  const { train, stages, evaluate, ...rest } = schema.properties;
  const top = Object.fromEntries(
    Object.entries({ ...rest, train, stages, evaluate }).filter(([name]) => name !== '$schema'),
  );
  const stage = stages.additionalProperties;
  const table = (properties, type, prefix = '', depth = 0) =>
    optionsTable({ ...properties }, types.get(type), types, { prefix, depth });
  return page(
    '# Config',
    GENERATED,
    'Keys of `anneal.config.{ts,mts,js,mjs,json,yaml,yml}` and of `anneal` in package.json. [The guide](../guides/config.md) has examples.',
    '## Top level',
    table({ properties: top }, 'UserConfig'),
    '## stages',
    table({ properties: stage.properties }, 'StageConfig', '', 1),
    '## train',
    'The same keys at the top level, for all stages, and in a stage, for it alone.',
    table({ properties: train.properties }, 'TrainConfig', '', 1),
    '## evaluate',
    table({ properties: evaluate.properties }, 'EvaluateConfig'),
  );
}

const pascal = (name) => name.replaceAll(/(^|-)(\w)/g, (_, __, letter) => letter.toUpperCase());

/** The options of every plugin in packages/plugins. */
export async function optionsPage(configJsonSchema) {
  const folders = readdirSync(join(root, 'packages/plugins'))
    .filter((name) => existsSync(join(root, 'packages/plugins', name, 'package.json')))
    .sort();
  const sections = [];
  for (const name of folders) {
    const module = await import(`../../packages/plugins/${name}/src/index.ts`);
    const { schema } = [module.default, ...Object.values(module)].find((value) => value?.pluginName === name);
    const { definitions } = await configJsonSchema([{ name, schema }]);
    const types = interfacesOf(`packages/plugins/${name}`);
    sections.push(
      `## ${name}`,
      `[\`@anneal/plugin-${name}\`](../../packages/plugins/${name}/README.md)`,
      Object.keys(definitions[name].properties ?? {}).length === 0
        ? 'No options.'
        : optionsTable(definitions[name], types.get(`${pascal(name)}Options`), types),
    );
  }
  return page(
    '# Options of plugins',
    GENERATED,
    'Types and limits are those that are checked; `anneal schema` prints the same as JSON Schema.',
    ...sections,
  );
}
