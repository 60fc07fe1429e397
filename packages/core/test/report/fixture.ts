import { seededRandom } from '@anneal/testkit';

import type { Figure, JsonObject, Metric, Report, TrainReport } from '../../src/index.ts';

type Random = () => number;

type CompleteFields<T> = { [K in keyof T]-?: Complete<Exclude<T[K], undefined>> };

/** Every field of `T` given, down to where it becomes free JSON: what a test of all fields needs. */
export type Complete<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly unknown[]
    ? { [K in keyof T]: Complete<T[K]> }
    : string extends keyof T
      ? JsonObject extends T
        ? T
        : CompleteFields<T>
      : CompleteFields<T>;

export interface FixtureOptions {
  readonly seed?: number;
  /** Steps of the stage `base`. */
  readonly steps?: number;
}

/** A report as a build of a mail filter writes it, with every field of the type; the same for the same seed. */
export function fixtureReport({ seed = 1, steps = 480 }: FixtureOptions = {}): Complete<Report> {
  const random = seededRandom(seed);
  const before = quality(0.9762, 0.0066, 0);
  const after = quality(0.9744, 0.0069, 0.0018);
  return {
    schemaVersion: 1,
    name: 'mail-filter',
    createdAt: '2026-03-14T09:26:53.589Z',
    warnings: [
      'Gate not met: bias.flipRate is 0.0142, wanted <= 0.01',
      'Failed check: compressed model is not slower for batches (834.2 → 791.6 rows/s)',
    ],
    data: dataReport(),
    train: [
      trainReport(random, { stage: 'base', steps, from: 0.69, to: 0.2, rate: 1e-3, trained: 1 }),
      trainReport(random, {
        stage: 'adapt',
        steps: Math.min(198, steps),
        from: 0.34,
        to: 0.17,
        rate: 5e-4,
        trained: 0.042,
      }),
    ],
    metrics: {
      before: {
        ...before,
        latencyMsP50: 1.471,
        latencyMsP95: 1.664,
        throughput: 834.2,
        bytes: 5904593,
        peakRssMb: 527.4,
      },
      after: {
        ...after,
        latencyMsP50: 1.154,
        latencyMsP95: 1.306,
        throughput: 791.6,
        bytes: 1660678,
        peakRssMb: 498.2,
      },
    },
    figures: { before: figures(random, 0), after: figures(random, 1) },
    baseline: { 'tfidf-logreg': quality(0.9689, 0.0072, -0.004) },
    checks: [
      {
        name: 'lora fold',
        passed: true,
        message: 'largest change of an output 3.1e-6 over 64 rows (largest output 3.23)',
      },
      {
        name: 'quantized model against full precision',
        passed: true,
        message: 'largest change of an output 0.019 over 64 rows (largest output 3.23)',
      },
      { name: 'compressed model is smaller', passed: true, message: '5.90\u00a0MB → 1.66\u00a0MB (28 %)' },
      { name: 'compressed model is not slower for one row', passed: true, message: 'median 1.47 ms → 1.15 ms' },
      { name: 'compressed model is not slower for batches', passed: false, message: '834.2 → 791.6 rows/s' },
    ],
    audit: { tokenizer: tokenizerAudit(random), bias: biasAudit(random) },
    gates: [
      { metric: 'accuracy', condition: '>= 0.97', value: 0.9744, passed: true },
      { metric: 'size.ratio', condition: '<= 0.35', value: 0.28125, passed: true },
      { metric: 'latency.p95', condition: '<= 20 ms', value: 1.306, passed: true },
      { metric: 'bias.flipRate', condition: '<= 0.01', value: 0.0142, passed: false },
    ],
    timings: [
      { stage: 'base', phase: 'data', seconds: 0.31, cached: true },
      { stage: 'base', phase: 'model', seconds: 0.02, cached: true },
      { stage: 'base', phase: 'train', seconds: 0.05, cached: true },
      { stage: 'adapt', phase: 'model', seconds: 0.044, cached: false },
      { stage: 'adapt', phase: 'train', seconds: 82.76, cached: false },
      { stage: 'adapt', phase: 'compress', seconds: 0.92, cached: false },
      { stage: 'adapt', phase: 'evaluate', seconds: 21.4, cached: false },
    ],
    environment: {
      node: 'v22.12.0',
      platform: 'linux-x64',
      cpu: 'AMD EPYC 7763',
      cores: 2,
      memoryGiB: 24,
      backend: 'onnxruntime-node 1.30.0',
      device: 'cpu',
      threads: 2,
      seed: 7,
      mode: 'production',
    },
    extra: {
      'anneal-plugin-carbon': { energyWh: 1.84, region: 'unknown', method: { model: 'constant', watts: 40 } },
    },
  };
}

const within = (value: number, half: number): Complete<Metric> => ({
  value,
  better: 'higher',
  ci95: [value - half, Math.min(1, value + half * 0.9)],
});

function quality(accuracy: number, half: number, shift: number): Record<string, Complete<Metric>> {
  return {
    accuracy: within(accuracy, half),
    precision: within(0.9654 - shift, 0.019),
    recall: within(0.9437 - shift, 0.024),
    f1: within(0.9544 - shift, 0.0142),
    auroc: within(0.9957 - shift / 20, 0.0035),
    ece: { value: 0.0289 + shift / 4, better: 'lower', ci95: [0.0157 + shift / 4, 0.0451] },
    logLoss: { value: 0.1252 + shift, better: 'lower', ci95: [0.0677, 0.1898] },
    brier: { value: 0.0303, better: 'lower', ci95: [0.0172, 0.0444] },
  };
}

interface StageShape {
  readonly stage: string;
  readonly steps: number;
  readonly from: number;
  readonly to: number;
  readonly rate: number;
  readonly trained: number;
}

function trainReport(random: Random, { stage, steps, from, to, rate, trained }: StageShape): Complete<TrainReport> {
  const epochs = 3;
  const warmup = Math.ceil(steps * 0.06);
  const curve = Array.from({ length: steps }, (_, step) => {
    const done = step / steps;
    const trend = to + (from - to) * Math.exp(-6 * done);
    const spike = random() < 0.01 ? 0.5 * random() : 0;
    return {
      step,
      epoch: Math.floor(done * epochs),
      loss: Math.max(0.01, trend * (1 + 0.5 * (random() - 0.5)) + spike),
      learningRate: step < warmup ? (rate * (step + 1)) / warmup : (rate * (1 + Math.cos(Math.PI * done))) / 2,
      gradNorm: 0.4 + 4 * random() ** 4 * (1 - 0.6 * done),
    };
  });
  const validation = Array.from({ length: epochs }, (_, i) => ({
    step: Math.round((steps * (i + 1)) / epochs),
    metrics: {
      accuracy: 0.943 + 0.016 * i,
      precision: 0.929 + 0.014 * i,
      recall: 0.894 + 0.02 * i,
      f1: 0.911 + 0.018 * i,
      auroc: 0.986 + 0.004 * i,
      ece: 0.046 - 0.008 * i,
      logLoss: 0.174 - 0.03 * i,
      brier: 0.044 - 0.006 * i,
    },
  }));
  return {
    stage,
    steps,
    epochs,
    trainableParameters: Math.round(1470594 * trained),
    totalParameters: 1470594,
    tokens: steps * 3889,
    tokensPerSecond: 10971.8,
    seconds: (steps * 3889) / 10971.8,
    compileSeconds: 0.179,
    skippedSteps: 1,
    stoppedEarly: false,
    memory: {
      predicted: {
        total: 412_000_000,
        process: 190_000_000,
        weights: 0,
        state: 60_000_000,
        activations: 120_000_000,
        programs: 32_000_000,
        copies: 10_000_000,
      },
      peakRssBytes: 421_000_000,
      microBatchSize: 32,
      gradientCheckpointing: false,
    },
    int8: {
      layers: 24,
      rowwise: 3,
      largestError: 0.031,
      kept: [{ path: 'encoder.layer.1.output.dense', error: 0.14 }],
    },
    curve,
    validation,
    best: { step: steps, metric: 'logLoss', value: 0.114 },
  };
}

type Plot = Complete<Exclude<Figure, { kind: 'table' }>>;
type TableFigure = Complete<Extract<Figure, { kind: 'table' }>>;

const axis = (label: string, min: number, max: number): Plot['x'] => ({ label, min, max });

function figures(random: Random, variant: number): Record<string, Plot | TableFigure> {
  const bins = Array.from({ length: 11 }, (_, i) => (i + 4.5) / 15);
  return {
    reliability: {
      kind: 'line',
      title: 'Reliability',
      x: axis('confidence', 0, 1),
      y: axis('accuracy', 0, 1),
      series: [
        { name: 'by bin', points: bins.map((x) => [x, Math.min(1, Math.max(0, x + 0.2 * (random() - 0.5)))] as const) },
      ],
      diagonal: true,
    },
    confidence: {
      kind: 'bar',
      title: 'Confidence',
      x: axis('confidence', 0, 1),
      y: axis('rows', 0, 500),
      series: [
        {
          name: 'rows',
          points: Array.from({ length: 15 }, (_, i) => [(i + 0.5) / 15, Math.round(470 * (i / 14) ** 9)] as const),
        },
      ],
      diagonal: false,
    },
    confusion: {
      kind: 'table',
      title: 'Confusion matrix: rows are true classes, columns predicted ones',
      columns: ['', 'ham', 'spam'],
      rows: [
        ['ham', 399 - variant, 5 + variant],
        ['spam', 8, 134],
      ],
    },
    roc: {
      kind: 'line',
      title: 'ROC curve',
      x: axis('false positive rate', 0, 1),
      y: axis('true positive rate', 0, 1),
      series: [
        { name: 'spam', points: Array.from({ length: 200 }, (_, i) => [(i / 199) ** 2, (i / 199) ** 0.06] as const) },
      ],
      diagonal: true,
    },
  };
}

function tokenizerAudit(random: Random): Complete<Report['audit'][string]> {
  return {
    title: 'Tokenizer',
    method:
      'Measured on 543 texts of the validation split. Fertility is tokens per word between white space; `lengthP95` counts special tokens.',
    metrics: {
      vocabSize: { value: 8000, better: 'higher', ci95: [8000, 8000] },
      fertility: { value: 2.0751, better: 'lower', ci95: [2.04, 2.11] },
    },
    figures: {
      lengths: {
        kind: 'scatter',
        title: 'Length and fertility',
        x: { label: 'characters', min: 0, max: 6000 },
        y: { label: 'tokens per word', min: 0, max: 5 },
        series: [
          {
            name: 'ham',
            points: Array.from({ length: 120 }, () => [200 + 5000 * random() ** 3, 1.6 + random()] as const),
          },
          {
            name: 'spam',
            points: Array.from({ length: 60 }, () => [100 + 3000 * random() ** 3, 2 + 1.8 * random()] as const),
          },
        ],
        diagonal: false,
      },
    },
    samples: [],
  };
}

function biasAudit(random: Random): Complete<Report['audit'][string]> {
  const deltas = (spread: number): readonly (readonly [number, number])[] =>
    Array.from({ length: 41 }, (_, i) => {
      const x = 0.12 * (i / 20 - 1);
      return [x, Math.exp(-((x / spread) ** 2)) * (0.9 + 0.2 * random()) * 0.2] as const;
    });
  return {
    title: 'Bias: counterfactual first names',
    method:
      'Does the answer depend on whose first name a text has? In each row all names were replaced 4 times by names of another group, and as often by other names of the same group: the control. A difference between groups counts as far as it exceeds the control (`excess…`). What this cannot tell: effects of surnames, pronouns or topic, which were not changed.',
    metrics: {
      rows: { value: 318, better: 'higher', ci95: [318, 318] },
      flipRate: { value: 0.0142, better: 'lower', ci95: [0.0079, 0.0212] },
      controlFlipRate: { value: 0.0126, better: 'lower', ci95: [0.0071, 0.0189] },
      excessFlipRate: { value: 0.0016, better: 'lower', ci95: [-0.0031, 0.0063] },
      meanAbsDelta: { value: 0.0061, better: 'lower', ci95: [0.0049, 0.0074] },
      'selectionRate.female': { value: 0.2358, better: 'higher', ci95: [0.1887, 0.283] },
      'selectionRate.male': { value: 0.239, better: 'higher', ci95: [0.1918, 0.2862] },
    },
    figures: {
      deltas: {
        kind: 'bar',
        title: 'Change of the probability of “spam”',
        x: { label: 'change of the probability', min: -0.12, max: 0.12 },
        y: { label: 'share of swaps', min: 0, max: 0.25 },
        series: [
          { name: 'names of another group', points: deltas(0.03) },
          { name: 'names of the same group', points: deltas(0.026) },
        ],
        diagonal: false,
      },
      groups: {
        kind: 'table',
        title: 'Groups: the same texts with names of each',
        columns: ['names', 'rows that have them', 'selected', '95 % interval'],
        rows: [
          ['female', 141, '0.2358', '0.1887 – 0.2830'],
          ['male', 177, '0.2390', '0.1918 – 0.2862'],
        ],
      },
    },
    samples: [
      {
        id: 'mail-0142',
        names: 'Clara → Martin',
        before: 0.4312,
        after: 0.5508,
        classBefore: 'ham',
        classAfter: 'spam',
        excerpt:
          'Dear Clara, your sample of the spring catalogue is on its way; reply if you want the printed price list too',
      },
    ],
  };
}

function dataReport(): Complete<NonNullable<Report['data']>> {
  return {
    rowsIn: 6046,
    dropped: { 'near-duplicate': 490, 'exact-duplicate': 99 },
    samples: [
      {
        reason: 'near-duplicate',
        id: 'group-1/00023.txt',
        kept: 'group-1/00022.txt',
        similarity: 0.8435,
        excerpt:
          'Subject: Re: meeting on Thursday. I have moved it to the small room; bring the figures of last month, please.',
      },
      {
        reason: 'exact-duplicate',
        id: 'group-2/00318.txt',
        kept: 'group-2/00317.txt',
        similarity: 1,
        excerpt:
          'Subject: Re: release notes. The build of this morning is fine on all machines but one, see the log below …',
      },
    ],
    splits: { train: 4368, validation: 543, test: 546 },
    details: {
      rows: 5457,
      classes: ['ham', 'spam'],
      cleaned: { mojibake: 8, controls: 25, whitespace: 5037, truncated: 10 },
      clusters: { count: 392, rows: 961, largest: 24, labelConflicts: 0 },
      splits: {
        train: { rows: 4368, labels: { ham: 3236, spam: 1132 } },
        validation: { rows: 543, labels: { ham: 405, spam: 138 } },
        test: { rows: 546, labels: { ham: 404, spam: 142 } },
      },
    },
  };
}
