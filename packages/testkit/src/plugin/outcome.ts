import { createHash } from 'node:crypto';

import type { Report, TrainReport } from '@anneal/core';

import type { PipelineResult } from '../run-pipeline.ts';

/** Files in which measured times stand; what else they say is in the report, too. */
const TIMED: ReadonlySet<string> = new Set(['.anneal.json', 'README.md', 'report.html', 'report.json']);

/** What must be the same for the same config, by name. */
export function outcomeOf({ files, artifacts, report }: PipelineResult): ReadonlyMap<string, string> {
  const digest = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');
  const written = [...files].filter(([path]) => !TIMED.has(path));
  return new Map([
    ...written.map(([path, data]): [string, string] => [path, digest(data)]),
    ...[...artifacts].map(([name, data]): [string, string] => [`the artifact ${name}`, digest(data)]),
    ...Object.entries(timeless(report)).map(([part, value]): [string, string] => [
      `\`${part}\` of the report`,
      digest(JSON.stringify(value) ?? ''),
    ]),
  ]);
}

/** The parts of a report that nobody measured with a clock. */
function timeless({
  data,
  train,
  metrics,
  figures,
  baseline,
  audit,
  extra,
}: Report): Readonly<Record<string, unknown>> {
  const quality = (variant: Report['metrics']['before']): unknown =>
    variant && Object.fromEntries(Object.entries(variant).filter(([, value]) => typeof value === 'object'));
  const learned = ({
    steps,
    epochs,
    trainableParameters,
    totalParameters,
    tokens,
    curve,
    validation,
    best,
  }: TrainReport) => [
    { steps, epochs, trainableParameters, totalParameters, tokens },
    { curve, validation, best },
  ];
  return {
    data,
    train: train.map(learned),
    metrics: [quality(metrics.before), quality(metrics.after)],
    figures,
    baseline,
    audit,
    extra,
  };
}

/** What differs between two outcomes, in words; `undefined` when nothing does. */
export function outcomeDifference(
  first: ReadonlyMap<string, string>,
  second: ReadonlyMap<string, string>,
): string | undefined {
  const names = [...new Set([...first.keys(), ...second.keys()])];
  const different = names.filter((name) => first.get(name) !== second.get(name));
  return different.length === 0 ? undefined : different.join(', ');
}
