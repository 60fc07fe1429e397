import { availableParallelism, cpus, totalmem } from 'node:os';

import type { BackendInfo } from '@anneal/graph';

import type { ResolvedConfig } from '../config/types.ts';
import { judgeGates } from '../report/gates.ts';
import type { FlatMetrics, GateResult, Report, VariantMetrics } from '../report/types.ts';
import type { TrainReport } from '../train/types.ts';
import type { EvaluateResult } from './evaluate.ts';
import type { CompressResult, DataResult } from './phases.ts';

export interface ReportParts {
  readonly config: ResolvedConfig;
  readonly data: DataResult;
  readonly train: readonly TrainReport[];
  readonly compress: Pick<CompressResult, 'checks'>;
  /** `undefined` for a stage that is not evaluated. */
  readonly evaluate: EvaluateResult | undefined;
  readonly timings: Report['timings'];
  readonly backend: BackendInfo | undefined;
}

/** Puts the results of the phases together, judges the gates, and collects what got worse. */
export function assembleReport(parts: ReportParts): Report {
  const { config, data, train, compress, evaluate, timings, backend } = parts;
  const gates = evaluate === undefined ? [] : judgeGates(config.gates, evaluate);
  const checks = [...compress.checks, ...(evaluate?.checks ?? [])];
  const figures: Report['figures'] =
    evaluate === undefined
      ? {}
      : { before: evaluate.before.figures, ...(evaluate.after && { after: evaluate.after.figures }) };
  return {
    schemaVersion: 1,
    name: config.name,
    createdAt: new Date().toISOString(),
    warnings: [...unjudged(parts), ...warningsOf(checks, gates)],
    data: data.dataset.report,
    train,
    metrics: {
      before: evaluate && flat(evaluate.before),
      after: evaluate?.after && flat(evaluate.after),
    },
    figures,
    baseline: evaluate?.baseline ?? {},
    checks,
    audit: { ...data.audit, ...evaluate?.audit },
    gates,
    timings,
    environment: environmentOf(config, backend),
    extra: {},
  };
}

function flat(variant: VariantMetrics): FlatMetrics {
  const { metrics, figures: _, ...costs } = variant;
  return { ...metrics, ...costs };
}

/** Gates of a stage that nothing was measured of are neither met nor failed. */
function unjudged({ config, evaluate }: ReportParts): readonly string[] {
  const names = Object.keys(config.gates);
  if (evaluate !== undefined || names.length === 0) return [];
  return [`Gates not judged, as the stage is not evaluated: ${names.join(', ')}`];
}

function warningsOf(checks: Report['checks'], gates: readonly GateResult[]): readonly string[] {
  const failed = gates.filter(({ passed }) => !passed);
  return [
    ...failed.map(({ metric, condition, value }) => `Gate not met: ${metric} is ${round(value)}, wanted ${condition}`),
    ...checks.filter(({ passed }) => !passed).map(({ name, message }) => `Failed check: ${name} (${message})`),
  ];
}

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function environmentOf(config: ResolvedConfig, backend: BackendInfo | undefined): Record<string, string | number> {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    backend: backend?.version ?? (typeof config.backend === 'string' ? config.backend : 'custom'),
    device: backend?.device ?? config.device,
    ...(backend?.threads !== undefined && { threads: backend.threads }),
    seed: config.seed,
    mode: config.mode,
  };
}
