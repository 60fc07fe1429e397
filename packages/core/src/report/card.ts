import type { JsonObject } from '../json.ts';
import type { FlatMetrics, Report } from './types.ts';

/** A model card: the Markdown `README.md` of the result, with measured numbers only. */
export function renderCard(report: Report, config: JsonObject, files: readonly string[]): string {
  const parts = [
    frontMatter(config),
    `# ${report.name}`,
    ...(report.warnings.length > 0 ? [report.warnings.map((warning) => `> **${warning}**`).join('\n>\n')] : []),
    '## Measured',
    metricsTable(report),
    ...(report.gates.length > 0 ? ['## Gates', gatesTable(report)] : []),
    ...(report.data ? ['## Data', dataLines(report)] : []),
    ...(report.train.length > 0 ? ['## Training', trainTable(report)] : []),
    ...auditParts(report),
    '## Files',
    files.map((file) => `- \`${file}\``).join('\n'),
    '## Environment',
    table(
      ['', ''],
      Object.entries(report.environment).map(([key, value]) => [key, String(value)]),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function frontMatter(config: JsonObject): string {
  const type = config['model_type'];
  const lines = ['library_name: transformers.js', 'tags:', '- anneal', '- onnx'];
  if (typeof type === 'string') lines.push(`- ${type}`);
  return ['---', ...lines, '---'].join('\n');
}

/** Cells come from data: a bar would end the cell, a line break the row. */
function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').replaceAll('<', '&lt;');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...rows.map(line)].join('\n');
}

function quantity(metrics: FlatMetrics | undefined, name: string): string {
  const found = metrics?.[name];
  if (found === undefined) return '';
  if (typeof found === 'number') return Number.isFinite(found) ? String(Number(found.toPrecision(5))) : 'not measured';
  const interval = found.ci95 ? ` (${found.ci95.map((bound) => bound.toFixed(4)).join(' – ')})` : '';
  return `${found.value.toFixed(4)}${interval}`;
}

function metricsTable({ metrics: { before, after } }: Report): string {
  if (before === undefined) return 'This build was not evaluated.';
  const names = Object.keys(before);
  if (after === undefined)
    return table(
      ['quantity', 'value (95 % interval)'],
      names.map((name) => [name, quantity(before, name)]),
    );
  return table(
    ['quantity (95 % interval)', 'full precision', 'compressed'],
    names.map((name) => [name, quantity(before, name), quantity(after, name)]),
  );
}

function gatesTable({ gates }: Report): string {
  return table(
    ['gate', 'wanted', 'measured', ''],
    gates.map(({ metric, condition, value, passed }) => [
      metric,
      condition,
      String(Number(value.toPrecision(5))),
      passed ? 'met' : '**not met**',
    ]),
  );
}

function dataLines({ data }: Report): string {
  const dropped = Object.entries(data?.dropped ?? {}).map(([reason, count]) => `- dropped, ${cell(reason)}: ${count}`);
  const splits = Object.entries(data?.splits ?? {}).map(([name, count]) => `- split ${cell(name)}: ${count}`);
  return [`- rows in: ${data?.rowsIn}`, ...dropped, ...splits].join('\n');
}

function trainTable({ train }: Report): string {
  return table(
    ['stage', 'steps', 'trainable parameters', 'tokens/s', 'seconds', 'best'],
    train.map((stage) => [
      stage.stage,
      String(stage.steps),
      `${stage.trainableParameters} of ${stage.totalParameters}`,
      stage.tokensPerSecond.toFixed(0),
      stage.seconds.toFixed(1),
      stage.best ? `${stage.best.metric} ${stage.best.value.toFixed(4)} at step ${stage.best.step}` : '',
    ]),
  );
}

function auditParts({ audit }: Report): string[] {
  return Object.values(audit).flatMap((section) => [
    `## ${cell(section.title)}`,
    section.method,
    table(
      ['quantity', 'value (95 % interval)'],
      Object.keys(section.metrics).map((name) => [name, quantity(section.metrics, name)]),
    ),
  ]);
}
