/** What the template depends on. */
export interface TextClassifierAnswers {
  readonly name: string;
  readonly format: 'ts' | 'json';
  /** Pattern of files. */
  readonly data: string;
  /** Column of the text. */
  readonly text: string;
  /** Column of the class. */
  readonly label: string;
}

type Plugins = readonly (readonly [name: string, options?: object])[];

const PLUGIN_FUNCTIONS: Readonly<Record<string, string>> = {
  'text-data': 'textData',
  tokenizer: 'tokenizer',
  transformer: 'transformer',
  'text-classification': 'textClassification',
  quantize: 'quantize',
};

/** Packages of a project made from this template, without versions. */
export const TEXT_CLASSIFIER_PACKAGES: readonly string[] = [
  '@anneal/core',
  '@anneal/backend-onnx',
  ...Object.keys(PLUGIN_FUNCTIONS).map((name) => `@anneal/plugin-${name}`),
  'anneal',
];

function pluginsFor({ data, text, label }: TextClassifierAnswers): Plugins {
  const columns = {
    ...(text === 'text' ? {} : { text }),
    ...(label === 'label' ? {} : { label }),
  };
  const source = { sources: [{ files: data }], ...(Object.keys(columns).length > 0 ? { columns } : {}) };
  const model = {
    architecture: 'bert',
    hiddenSize: 128,
    numHiddenLayers: 2,
    numAttentionHeads: 4,
    intermediateSize: 512,
    maxPositionEmbeddings: 256,
  };
  return [['text-data', source], ['tokenizer'], ['transformer', model], ['text-classification'], ['quantize']];
}

const TRAIN = { epochs: 3, learningRate: 0.001, lrScheduler: 'cosine', warmupRatio: 0.1, maxLength: 128 };
const GATES = { 'size.ratio': '<= 0.35' };

/** A value as JavaScript in the style of the templates. */
function source(value: unknown, indent: number): string {
  const pad = '  '.repeat(indent + 1);
  const end = '  '.repeat(indent);
  if (typeof value === 'string')
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map((item) => source(item, indent)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, item]) => `${/^[a-z_$][\w$]*$/i.test(key) ? key : source(key, 0)}: ${source(item, indent + 1)}`,
  );
  const line = `{ ${fields.join(', ')} }`;
  return line.length + indent * 2 <= 80 ? line : `{\n${fields.map((field) => `${pad}${field},\n`).join('')}${end}}`;
}

function typescript(answers: TextClassifierAnswers): string {
  const plugins = pluginsFor(answers);
  const imports = [...plugins]
    .map(([name]) => name)
    .sort()
    .map((name) => `import { ${PLUGIN_FUNCTIONS[name]} } from '@anneal/plugin-${name}';\n`);
  const calls = plugins.map(
    ([name, options]) => `    ${PLUGIN_FUNCTIONS[name]}(${options === undefined ? '' : source(options, 2)}),\n`,
  );
  return `import { defineConfig } from '@anneal/core';
${imports.join('')}
export default defineConfig({
  name: ${source(answers.name, 1)},
  plugins: [
${calls.join('')}  ],
  train: ${source(TRAIN, 1)},
  gates: ${source(GATES, 1)},
});
`;
}

function json(answers: TextClassifierAnswers): string {
  const plugins = pluginsFor(answers).map(([name, options]) => (options === undefined ? name : [name, options]));
  return `${JSON.stringify({ name: answers.name, plugins, train: TRAIN, gates: GATES }, null, 2)}\n`;
}

/** Files of the template, by name. */
export function textClassifier(answers: TextClassifierAnswers): Readonly<Record<string, string>> {
  return answers.format === 'ts'
    ? { 'anneal.config.ts': typescript(answers) }
    : { 'anneal.config.json': json(answers) };
}
