import type { FlatMetrics, Metric, Report, RunResult } from '@anneal/core';

import { bytes, clock, count, digits, duration, quality, rate, short, signed } from './numbers.ts';
import type { Style } from './style.ts';
import { columns, oneLine, wrap } from './text.ts';

interface ResultOptions {
  readonly style: Style;
  readonly width: number;
  /** Wall time of the whole command. */
  readonly seconds: number;
}

interface Cost {
  readonly label: string;
  readonly text: (value: number) => string;
  /** `-1`: less is better. */
  readonly better: 1 | -1;
}

const ms = (value: number): string => `${digits(value)} ms`;
/** What a model costs; everything else in a variant's metrics is quality. */
const COSTS: Readonly<Record<string, Cost>> = {
  latencyMsP50: { label: 'latency p50', text: ms, better: -1 },
  latencyMsP95: { label: 'latency p95', text: ms, better: -1 },
  throughput: { label: 'throughput', text: rate, better: 1 },
  bytes: { label: 'size', text: bytes, better: -1 },
  peakRssMb: { label: 'peak memory', text: (value) => `${digits(value)} MiB`, better: -1 },
};

const valueOf = (metric: Metric | number | undefined): number | undefined =>
  typeof metric === 'object' ? metric.value : metric;

/** `0.9812 ± 0.0060`: the half width of the 95 % interval. */
function metricText(metric: Metric | number | undefined): string {
  const value = valueOf(metric);
  if (value === undefined) return '–';
  const interval = typeof metric === 'object' ? metric.ci95 : undefined;
  return interval === undefined ? quality(value) : `${quality(value)} ± ${quality((interval[1] - interval[0]) / 2)}`;
}

function costChange(cost: Cost, before: number, after: number, style: Style): string {
  const ratio = after / before;
  if (!Number.isFinite(ratio)) return '';
  const text = `${ratio < 9.995 ? ratio.toFixed(2) : count(ratio)}×`;
  const gain = (ratio - 1) * cost.better;
  return Math.abs(gain) < 0.02 ? text : gain > 0 ? style.green(text) : style.red(text);
}

function metricRows({ before, after }: Report['metrics'], style: Style): readonly (readonly string[])[] {
  const variants: readonly FlatMetrics[] = [before, after].filter((variant) => variant !== undefined);
  const names = [...new Set(variants.flatMap((variant) => Object.keys(variant)))];
  const isCost = (name: string): boolean => Object.hasOwn(COSTS, name);
  const ordered = [
    ...names.filter((name) => !isCost(name)),
    ...Object.keys(COSTS).filter((name) => names.includes(name)),
  ];
  const both = before !== undefined && after !== undefined;
  const head = ['', ...(both ? ['before', 'after', 'change'] : ['model'])].map((text) => style.dim(text));
  const rows = ordered.map((name) => {
    const cost = COSTS[name];
    const values = variants.map((variant) => variant[name]);
    const texts = values.map((value) => {
      const number = valueOf(value);
      return cost === undefined ? metricText(value) : number === undefined ? '–' : cost.text(number);
    });
    const [first, second] = values.map(valueOf);
    if (first === undefined || second === undefined) return [cost?.label ?? oneLine(name), ...texts];
    const change = cost === undefined ? signed(second - first) : costChange(cost, first, second, style);
    return [cost?.label ?? oneLine(name), ...texts, change];
  });
  return rows.length === 0 ? [] : [head, ...rows];
}

function section(title: string, body: string, style: Style): string {
  return body === '' ? '' : `${style.bold(title)}\n${body}`;
}

function gates({ gates: results }: Report, style: Style): string {
  return columns(
    results.map(({ metric, condition, value, passed }) => [
      passed ? style.green('✓') : style.red('✗'),
      oneLine(metric),
      oneLine(condition),
      passed ? quality(value) : style.red(quality(value)),
    ]),
    { align: ['left', 'left', 'left', 'right'] },
  );
}

function training({ train }: Report, width: number): string {
  return columns(
    train.map(({ stage, steps, tokensPerSecond, trainableParameters, seconds, best }) => [
      oneLine(stage),
      `${count(steps)} steps`,
      `${short(trainableParameters)} weights`,
      `${short(tokensPerSecond)} tok/s`,
      clock(seconds),
      best === undefined ? '' : `${oneLine(best.metric)} ${quality(best.value)} at ${count(best.step)}`,
    ]),
    { align: ['left', 'right', 'right', 'right', 'right'], width },
  );
}

function named(sections: Readonly<Record<string, Readonly<Record<string, Metric>>>>, width: number): string {
  return columns(
    Object.entries(sections).map(([name, metrics]) => [
      oneLine(name),
      Object.entries(metrics)
        .map(([metric, { value }]) => `${oneLine(metric)} ${quality(value)}`)
        .join(', '),
    ]),
    { width },
  );
}

/** What `--json` says of a result. */
export function summaryOf({ report, outDir, accepted }: RunResult): object {
  const { metrics, gates, warnings, checks } = report;
  return { type: 'result', accepted, outDir, metrics, gates, warnings, checks };
}

/** What a build ends with: warnings first, then the numbers, the gates, and where the report is. */
export function resultText({ report, outDir, accepted }: RunResult, { style, width, seconds }: ResultOptions): string {
  const failed = report.checks.filter(({ passed }) => !passed);
  const notes = [
    ...report.warnings.map((text) => `${style.yellow('!')} ${wrap(oneLine(text), width - 2, 2)}`),
    ...failed
      .filter(({ message }) => !report.warnings.some((warning) => warning.includes(message)))
      .map(({ name, message }) => `${style.red('✗')} ${wrap(oneLine(`${name}: ${message}`), width - 2, 2)}`),
  ];
  const audits = Object.fromEntries(Object.entries(report.audit).map(([name, { metrics }]) => [name, metrics]));
  const name = style.bold(oneLine(report.name));
  const verdict = accepted ? `${style.green('✓')} built ${name}` : `${style.red('✗')} ${name}: a gate was not met`;
  const where = outDir === undefined ? '' : `  ${style.dim('→')} ${outDir}`;
  const passed = report.checks.length - failed.length;
  const sections = [
    notes.join('\n'),
    section('Training', training(report, width), style),
    section('Model', columns(metricRows(report.metrics, style), { align: ['left', 'right', 'right', 'right'] }), style),
    section('Baseline', named(report.baseline, width), style),
    section('Audit', named(audits, width), style),
    section('Gates', gates(report, style), style),
    [
      `${verdict}  ${style.dim(duration(seconds))}${where}`,
      passed > 0 ? style.dim(`  ${passed} of ${report.checks.length} comparisons passed`) : '',
      outDir === undefined ? '' : `  report  ${outDir}/report.html`,
    ]
      .filter((line) => line !== '')
      .join('\n'),
  ];
  return `\n${sections.filter((text) => text !== '').join('\n\n')}\n`;
}
