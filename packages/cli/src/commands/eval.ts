import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { AnnealError, type EvaluateResult, type Metrics, type Prediction, type Row, suggest } from '@anneal/core';

import { type Command, type Context, loadConfigFor, widthFor } from '../context.ts';
import { readJson, readRows, shortPath, writeText } from '../files.ts';
import type { Style } from '../ui/style.ts';
import { quality } from '../ui/numbers.ts';
import { columns, oneLine } from '../ui/text.ts';
import { reporterFor, stopOnSignal } from './build.ts';

/** Files of `onnx/` in a folder of transformers.js layout, without their ending. */
function variantsOf(dir: string, wanted: readonly string[]): readonly string[] {
  let files: readonly string[];
  try {
    files = readdirSync(join(dir, 'onnx'));
  } catch {
    files = [];
  }
  const found = files.filter((file) => file.endsWith('.onnx')).map((file) => file.slice(0, -'.onnx'.length));
  if (found.length === 0) {
    throw new AnnealError('ANNEAL_E_MODEL', 'the folder has no models: nothing ends in .onnx below onnx/', {
      file: dir,
      fix: 'run `anneal build` first, or give the folder that it wrote',
    });
  }
  const missing = wanted.find((name) => !found.includes(name));
  if (missing !== undefined) {
    const near = suggest(missing, found);
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    throw new AnnealError('ANNEAL_E_MODEL', `there is no variant \`${missing}\`${hint}`, {
      file: dir,
      fix: `use one of: ${found.join(', ')}`,
    });
  }
  return wanted.length > 0 ? wanted : found.sort();
}

/** Class names by index, as Hugging Face's `config.json` has them. */
function labelsOf(dir: string): readonly string[] | undefined {
  const names = readJson(join(dir, 'config.json'))?.['id2label'];
  if (typeof names !== 'object' || names === null || Array.isArray(names)) return undefined;
  return Object.entries(names)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, name]) => (typeof name === 'string' ? name : JSON.stringify(name)));
}

interface Class {
  readonly label: string;
  readonly probability: number;
}

/** The likeliest class, when the outputs are logits of the named classes. */
export function classOf({ outputs }: Prediction, labels: readonly string[] | undefined): Class | undefined {
  const logits = outputs['logits'];
  if (logits === undefined || labels === undefined || logits.length !== labels.length) return undefined;
  const highest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - highest));
  const best = logits.indexOf(highest);
  const label = labels[best];
  return label === undefined ? undefined : { label, probability: 1 / weights.reduce((sum, weight) => sum + weight, 0) };
}

function metricsTable(results: Readonly<Record<string, Metrics>>, style: Style): string {
  const variants = Object.values(results);
  const names = [...new Set(variants.flatMap((metrics) => Object.keys(metrics)))];
  const rows = names.map((name) => [
    oneLine(name),
    ...variants.map((metrics) => {
      const metric = metrics[name];
      if (metric === undefined) return '–';
      const { value, ci95 } = metric;
      return ci95 === undefined ? quality(value) : `${quality(value)} ± ${quality((ci95[1] - ci95[0]) / 2)}`;
    }),
  ]);
  return columns([['', ...Object.keys(results)].map(style.dim), ...rows], {
    align: ['left', 'right', 'right', 'right'],
  });
}

function predictionsTable(
  predictions: readonly Prediction[],
  labels: readonly string[] | undefined,
  width: number,
): string {
  const rows = predictions.map((prediction) => {
    const text = prediction.row['text'];
    const shown = oneLine(typeof text === 'string' ? text : JSON.stringify(prediction.row));
    const best = classOf(prediction, labels);
    return best === undefined
      ? [oneLine(JSON.stringify(prediction.outputs)), shown]
      : [oneLine(best.label), quality(best.probability), shown];
  });
  return columns(rows, { width });
}

const asJson = (variant: string, prediction: Prediction, labels: readonly string[] | undefined): object => ({
  variant,
  ...prediction.row,
  ...classOf(prediction, labels),
  outputs: prediction.outputs,
});

function rowsFor({ io, options }: Context): readonly Row[] | undefined {
  const input = options.text('input');
  const rows = [
    ...options.texts('text').map((text) => ({ text })),
    ...(input === undefined ? [] : readRows(resolve(io.cwd, input))),
  ];
  return input === undefined && rows.length === 0 ? undefined : rows;
}

/** `anneal eval [dir]` */
export const evaluate: Command = async (context) => {
  const { io, args, options, services, style } = context;
  const rows = rowsFor(context);
  const config = await loadConfigFor(context);
  const dir = args[0] === undefined ? config.outDir : resolve(io.cwd, args[0]);
  const variants = variantsOf(dir, options.texts('variant'));
  const labels = labelsOf(dir);
  const results: Record<string, EvaluateResult> = {};
  // Events go to stderr in every form: stdout has the one result.
  const reporter = reporterFor(context);
  const stop = stopOnSignal(io, reporter);
  const onEvent = options.flag('json') ? undefined : reporter.event.bind(reporter);
  try {
    const pipeline = await services.createPipeline(config, { onEvent, strict: options.flag('strict') });
    try {
      for (const variant of variants) {
        results[variant] = await pipeline.evaluate({ dir, variant, rows, signal: stop.signal, onEvent });
      }
    } finally {
      await pipeline.close();
    }
  } finally {
    reporter.close();
    stop.end();
  }
  const entries = Object.entries(results);
  const output = options.text('predictions');
  if (output !== undefined) {
    const lines = entries.flatMap(([variant, { predictions }]) =>
      predictions.map((prediction) => JSON.stringify(asJson(variant, prediction, labels))),
    );
    writeText(resolve(io.cwd, output), `${lines.join('\n')}\n`);
  }
  if (options.flag('json')) {
    const predicted =
      rows === undefined
        ? {}
        : {
            predictions: entries.flatMap(([variant, { predictions }]) =>
              predictions.map((one) => asJson(variant, one, labels)),
            ),
          };
    const metrics = Object.fromEntries(entries.map(([variant, result]) => [variant, result.metrics]));
    context.json({ dir, ...(rows === undefined ? { metrics } : predicted) });
    return 0;
  }
  const measured = Object.fromEntries(entries.flatMap(([name, { metrics }]) => (metrics ? [[name, metrics]] : [])));
  if (Object.keys(measured).length > 0) {
    const where = shortPath(io.cwd, dir);
    context.print(`${style.bold('Test split')}  ${where}\n${metricsTable(measured, style)}`);
  }
  if (rows !== undefined) {
    for (const [variant, { predictions }] of entries) {
      context.print(`${style.bold(variant)}\n${predictionsTable(predictions, labels, widthFor(context))}`);
    }
  }
  if (output !== undefined) context.print(`wrote ${output}`);
  return 0;
};
