import type { JsonObject } from '../json.ts';
import { countOrQuality, duration, intervalOf, NOT_MEASURED, number, percent, quality, short } from './format.ts';
import { clip, limited, plural, visible } from './html/text.ts';
import { changeOf, gateText, quantityNames, quantityOf, type Quantity, type Reading, readingOf } from './quantities.ts';
import type { FlatMetrics, Report } from './types.ts';

const MAX_ROWS = 100;

/** Pipelines by the end of the architecture's name, as Hugging Face names both. */
const PIPELINES: readonly (readonly [architecture: string, pipeline: string])[] = [
  ['ForSequenceClassification', 'text-classification'],
  ['ForTokenClassification', 'token-classification'],
  ['ForQuestionAnswering', 'question-answering'],
  ['ForMaskedLM', 'fill-mask'],
  ['ForCausalLM', 'text-generation'],
  ['LMHeadModel', 'text-generation'],
  ['ForImageClassification', 'image-classification'],
];

/** `dtype` of transformers.js by the name of the file. */
const DTYPES: Readonly<Record<string, string>> = {
  'onnx/model.onnx': 'fp32',
  'onnx/model_fp16.onnx': 'fp16',
  'onnx/model_quantized.onnx': 'q8',
  'onnx/model_int8.onnx': 'int8',
  'onnx/model_uint8.onnx': 'uint8',
  'onnx/model_q4.onnx': 'q4',
  'onnx/model_q4f16.onnx': 'q4f16',
  'onnx/model_bnb4.onnx': 'bnb4',
};

/**
 * A model card: the Markdown `README.md` of the result, with measured numbers only.
 *
 * Texts of the report come from data: what Markdown or HTML would make of them is escaped.
 *
 * @param config The model's `config.json`.
 * @param files Files of the result, relative to its folder.
 */
export function renderCard(report: Report, config: JsonObject, files: readonly string[]): string {
  const pipeline = pipelineOf(config);
  const parts = [
    frontMatter(config, pipeline),
    `# ${inline(report.name)}`,
    report.warnings.map((warning) => `> **${inline(warning)}**`).join('\n>\n'),
    usage(pipeline, files),
    section('Measured', metricsTable(report)),
    section('Compared with simple methods', baselineTable(report)),
    section('Gates', gatesTable(report)),
    section('Checks', checksTable(report)),
    section('Training', trainTable(report)),
    section('Data', dataLines(report)),
    ...auditParts(report),
    section('Files', files.map((file) => `- ${code(file)}`).join('\n')),
    section('Environment', environmentTable(report)),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function section(title: string, body: string): string {
  return body === '' ? '' : `## ${title}\n\n${body}`;
}

function pipelineOf(config: JsonObject): string | undefined {
  const architectures = config['architectures'];
  const name = Array.isArray(architectures) ? (architectures as readonly unknown[])[0] : undefined;
  if (typeof name !== 'string') return undefined;
  return PIPELINES.find(([end]) => name.endsWith(end))?.[1];
}

function frontMatter(config: JsonObject, pipeline: string | undefined): string {
  const type = config['model_type'];
  const tags = ['anneal', 'onnx', ...(typeof type === 'string' ? [type] : [])];
  return [
    '---',
    'library_name: transformers.js',
    ...(pipeline === undefined ? [] : [`pipeline_tag: ${pipeline}`]),
    'tags:',
    ...tags.map((tag) => `- ${/^[a-z][\w.-]*$/i.test(tag) ? tag : JSON.stringify(visible(tag))}`),
    '---',
  ].join('\n');
}

/** Text that stands for itself on one line: nothing in it is markup, and no cell or row ends with it. */
function inline(text: string): string {
  return clip(visible(text), 2000)
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/[\\`*_[\]|~]/g, String.raw`\$&`)
    .trim();
}

/** Code spans end at the first run of as many backticks, and tables split at bars even in them. */
function code(text: string): string {
  const line = clip(visible(text), 2000)
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', String.raw`\|`);
  const longest = (line.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
  if (longest === 0) return `\`${line}\``;
  const fence = '`'.repeat(longest + 1);
  return `${fence} ${line} ${fence}`;
}

/** Text in which backticks mark code. */
function prose(text: string): string {
  return text
    .split(/`([^`]+)`/)
    .map((part, i) => (i % 2 === 1 ? code(part) : part.trim() === '' ? part : around(part)))
    .join('');
}

/** A paragraph of its own: what would begin a heading, a quotation or a list does not. */
function paragraph(text: string): string {
  return prose(text.trim())
    .replace(/^[#>+=-]/, String.raw`\$&`)
    .replace(/^(\d+)([.)])/, String.raw`$1\$2`);
}

/** Escaped, with the spaces that part it from the code beside it. */
function around(part: string): string {
  return `${/^\s/.test(part) ? ' ' : ''}${inline(part)}${/\s$/.test(part) ? ' ' : ''}`;
}

/** Rows of finished cells; columns after the first are numbers where `numeric`. */
function table(head: readonly string[], rows: readonly (readonly string[])[], numeric: boolean = false): string {
  if (rows.length === 0) return '';
  const { shown, more } = limited(rows, MAX_ROWS);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (numeric && i > 0 ? ' ---: ' : ' --- '));
  const lines = [line(head), `|${rule.join('|')}|`, ...shown.map(line)];
  return [...lines, ...(more > 0 ? ['', `… and ${plural(more, 'more row')} in \`report.json\`.`] : [])].join('\n');
}

function usage(pipeline: string | undefined, files: readonly string[]): string {
  const dtypes = files.flatMap((file) => (Object.hasOwn(DTYPES, file) ? [DTYPES[file] as string] : []));
  const dtype = dtypes.find((own) => own !== 'fp32') ?? dtypes[0];
  if (pipeline === undefined || dtype === undefined) return '';
  const lines = [
    "import { env, pipeline } from '@huggingface/transformers';",
    '',
    "env.localModelPath = '/path/to'; // the folder that this folder is in",
    `const run = await pipeline('${pipeline}', 'this-folder', { dtype: '${dtype}' });`,
  ];
  return section('Use', `\`\`\`js\n${lines.join('\n')}\n\`\`\``);
}

function quantity(name: string, reading: Reading | undefined): string {
  return readingText(quantityOf(name).text, reading);
}

function readingText(text: (value: number) => string, reading: Reading | undefined): string {
  if (reading?.value === undefined) return NOT_MEASURED;
  return `${text(reading.value)}${reading.ci95 === undefined ? '' : ` (${intervalOf(text, reading.ci95)})`}`;
}

function metricsTable({ metrics: { before, after } }: Report): string {
  if (before === undefined && after === undefined) return 'This build was not evaluated.';
  const names = quantityNames([before, after]);
  const label = (name: string): string => inline(quantityOf(name).label);
  if (before === undefined || after === undefined) {
    const only = before ?? after;
    const rows = names.map((name) => [label(name), quantity(name, readingOf(only, name))]);
    return table(['Quantity', 'Value (95 % interval)'], rows, true);
  }
  const rows = names.map((name) => {
    const [from, to] = [readingOf(before, name), readingOf(after, name)];
    return [
      label(name),
      quantity(name, from),
      quantity(name, to),
      changeText(quantityOf(name, before, after), from, to),
    ];
  });
  return table(['Quantity (95 % interval)', 'Full precision', 'Compressed', 'Change'], rows, true);
}

function changeText(own: Quantity, from: Reading | undefined, to: Reading | undefined): string {
  const change = changeOf(own, from, to);
  if (change === undefined) return '';
  if (change.verdict === 'same') return 'same';
  return `${change.text}${change.verdict === undefined ? '' : `, ${change.verdict}`}${change.within ? ', within interval' : ''}`;
}

function baselineTable({ metrics: { before, after }, baseline }: Report): string {
  const methods = Object.entries(baseline);
  const own = after ?? before;
  if (methods.length === 0 || own === undefined) return '';
  const names = quantityNames(methods.map(([, metrics]) => metrics));
  const models: readonly (readonly [string, FlatMetrics])[] = [['this model', own], ...methods];
  return table(
    ['Quantity (95 % interval)', ...models.map(([name]) => inline(name))],
    names.map((name) => [
      inline(quantityOf(name).label),
      ...models.map(([, metrics]) => quantity(name, readingOf(metrics, name))),
    ]),
    true,
  );
}

function gatesTable({ gates }: Report): string {
  return table(
    ['Gate', 'Wanted', 'Measured', 'Verdict'],
    gates.map(({ metric, condition, value, passed }) => [
      code(metric),
      code(condition),
      gateText(metric, value),
      passed ? 'met' : '**not met**',
    ]),
  );
}

function checksTable({ checks }: Report): string {
  return table(
    ['Claim', 'Result', 'Measured'],
    checks.map(({ name, passed, message }) => [prose(name), passed ? 'holds' : '**does not hold**', prose(message)]),
  );
}

function trainTable({ train }: Report): string {
  return table(
    ['Stage', 'Steps', 'Trained weights', 'Tokens/s', 'Time', 'Best checkpoint'],
    train.map((stage) => [
      inline(stage.stage),
      number(stage.steps),
      `${short(stage.trainableParameters)} of ${short(stage.totalParameters)}`,
      number(stage.tokensPerSecond),
      duration(stage.seconds),
      stage.best
        ? `${inline(stage.best.metric)} ${quality(stage.best.value)} at step ${number(stage.best.step)}`
        : 'last step',
    ]),
  );
}

function dataLines({ data }: Report): string {
  if (data === undefined || data === null) return '';
  const { rowsIn, dropped, splits } = data;
  const share = (count: number): string => (rowsIn > 0 ? ` (${percent(count / rowsIn)})` : '');
  return [
    `- rows in: ${number(rowsIn)}`,
    ...Object.entries(dropped).map(
      ([reason, count]) => `- dropped, ${inline(reason)}: ${number(count)}${share(count)}`,
    ),
    ...Object.entries(splits).map(([name, count]) => `- split ${inline(name)}: ${number(count)}`),
  ].join('\n');
}

function auditParts({ audit }: Report): string[] {
  return Object.values(audit).flatMap(({ title, method, metrics }) => [
    `## ${inline(title)}`,
    paragraph(method),
    table(
      ['Quantity', 'Value (95 % interval)'],
      Object.keys(metrics).map((name) => [code(name), readingText(countOrQuality, readingOf(metrics, name))]),
      true,
    ),
  ]);
}

function environmentTable({ environment }: Report): string {
  return table(
    ['Name', 'Value'],
    Object.entries(environment).map(([name, value]) => [inline(name), inline(String(value))]),
  );
}
