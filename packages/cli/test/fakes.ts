import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import {
  type CacheEntry,
  type Collected,
  type Difference,
  type Pipeline,
  type Report,
  resolveConfig,
  type RunEvent,
  type RunOptions,
  type RunResult,
} from '@anneal/core';
import type { Asker } from 'create-anneal/terminal';
import { onTestFinished } from 'vitest';

import type { Services } from '../src/context.ts';
import type { Io, Out, StopSignal } from '../src/io.ts';

/** A stream that keeps what is written to it. */
export interface Captured extends Out {
  text(): string;
  /** A terminal of another width from now on. */
  resize(columns: number): void;
}

export function capture(terminal?: { columns: number; rows?: number }): Captured {
  const chunks: string[] = [];
  const listeners = new Set<() => void>();
  let columns = terminal?.columns;
  return {
    write: (text) => chunks.push(text),
    isTTY: terminal !== undefined,
    get columns() {
      return columns;
    },
    rows: terminal?.rows,
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    text: () => chunks.join(''),
    resize(to) {
      columns = to;
      for (const listener of listeners) listener();
    },
  };
}

/** A process that is none. */
export interface FakeIo extends Io {
  readonly stdout: Captured;
  readonly stderr: Captured;
  readonly exits: readonly number[];
  /** Ctrl-C. */
  stop(signal?: StopSignal): void;
}

export function fakeIo(
  options: { cwd?: string; env?: Io['env']; terminal?: boolean | number; asker?: Asker } = {},
): FakeIo {
  const stops = new Set<(signal: StopSignal) => void>();
  const exits: number[] = [];
  const { terminal: width = false } = options;
  const terminal = width === false ? undefined : { columns: width === true ? 80 : width, rows: 24 };
  const { asker } = options;
  return {
    cwd: options.cwd ?? '/nowhere',
    env: options.env ?? {},
    stdout: capture(terminal),
    stderr: capture(terminal),
    asker: asker && (async () => asker),
    onStop(listener) {
      stops.add(listener);
      return () => stops.delete(listener);
    },
    exit: (code) => void exits.push(code),
    exits,
    stop(signal = 'SIGINT') {
      for (const listener of stops) listener(signal);
    },
  };
}

/** A folder with files; texts are written as they are, the rest as JSON. */
export function folder(files: Readonly<Record<string, unknown>> = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'anneal-cli-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

export const report: Report = {
  schemaVersion: 1,
  name: 'mail-filter',
  createdAt: '2026-01-01T00:00:00.000Z',
  warnings: ['Quantization makes it slower: 1.41 ms → 1.92 ms per row on this machine'],
  data: undefined,
  train: [
    {
      stage: 'base',
      steps: 1234,
      epochs: 3,
      trainableParameters: 1_470_000,
      totalParameters: 1_470_000,
      tokens: 5_000_000,
      tokensPerSecond: 45_210,
      seconds: 111,
      compileSeconds: 1,
      skippedSteps: 0,
      stoppedEarly: false,
      memory: { predicted: undefined, peakRssBytes: undefined, microBatchSize: 32, gradientCheckpointing: false },
      curve: [],
      validation: [],
      best: { step: 800, metric: 'logLoss', value: 0.0812 },
    },
  ],
  metrics: {
    before: {
      accuracy: { value: 0.9812, ci95: [0.975, 0.987] },
      ece: { value: 0.0104 },
      latencyMsP50: 1.41,
      latencyMsP95: 2.1,
      throughput: 845.4,
      bytes: 5_903_535,
      peakRssMb: 182.25,
    },
    after: {
      accuracy: { value: 0.9802, ci95: [0.974, 0.986] },
      ece: { value: 0.0121 },
      latencyMsP50: 1.92,
      latencyMsP95: 2.08,
      throughput: 1212,
      bytes: 1_659_999,
      peakRssMb: 120.5,
    },
  },
  figures: {},
  baseline: { 'tfidf-logreg': { accuracy: { value: 0.9689 }, f1: { value: 0.9373 } } },
  checks: [
    { name: 'folding is lossless', passed: true, message: 'largest change of an output 1.5e-7 over 64 rows' },
    { name: 'not slower', passed: false, message: '1.41 ms → 1.92 ms' },
  ],
  audit: { bias: { title: 'Bias', method: 'names', metrics: { flipRate: { value: 0.0031, ci95: [0.001, 0.006] } } } },
  gates: [
    { metric: 'accuracy', condition: '>= 0.97', value: 0.9802, passed: true },
    { metric: 'bias.flipRate', condition: '<= 0.001', value: 0.0031, passed: false },
  ],
  timings: [],
  environment: {},
  extra: {},
};

export const events: readonly RunEvent[] = [
  { type: 'phase-start', stage: 'base', phase: 'data' },
  { type: 'log', entry: { level: 'warn', message: '3 mails cannot be parsed', tag: 'text-data' } },
  { type: 'log', entry: { level: 'debug', message: 'read 12 files', tag: 'text-data' } },
  { type: 'phase-end', stage: 'base', phase: 'data', seconds: 2.14, cached: false },
  { type: 'phase-start', stage: 'base', phase: 'train' },
  { type: 'progress', id: 0, label: 'train base', done: 1, total: 40, note: 'loss 0.31', finished: false },
  { type: 'metrics', stage: 'base', split: 'validation', metrics: { accuracy: { value: 0.97 } } },
  { type: 'phase-end', stage: 'base', phase: 'train', seconds: 111, cached: false },
];

const entries: readonly CacheEntry[] = [
  {
    phase: 'train',
    key: 'b'.repeat(64),
    stage: 'main',
    bytes: 1.5e9,
    usedAt: new Date('2026-01-01T00:59:00Z'),
    seconds: 75,
    inUse: true,
  },
  {
    phase: 'checkpoint',
    key: 'c'.repeat(32),
    stage: undefined,
    bytes: 3e6,
    usedAt: new Date('2026-01-01T00:00:00Z'),
    seconds: undefined,
    inUse: false,
  },
];

export interface FakePipelineOptions {
  readonly accepted?: boolean;
  /** Runs in place of the build. */
  readonly run?: (options: RunOptions) => Promise<void>;
}

/** Services whose pipeline tells {@link events} and returns {@link report}; `calls` says what was asked of it. */
export function fakeServices({ accepted = true, run }: FakePipelineOptions = {}): {
  readonly services: Services;
  readonly calls: readonly (readonly [method: string, options?: unknown])[];
} {
  const calls: (readonly [string, unknown?])[] = [];
  const begin = async (options: RunOptions): Promise<RunResult> => {
    calls.push(['run', { stages: options.stages, force: options.force }]);
    for (const event of events) options.onEvent?.(event);
    await run?.(options);
    return { report, outDir: '/nowhere/dist', accepted };
  };
  const pipeline: Pipeline = {
    async plan(options) {
      calls.push(['plan', options]);
      return [
        {
          stage: 'main',
          phase: 'data',
          key: 'a'.repeat(64),
          cached: true,
          plugins: ['text-data'],
          reason: undefined,
          seconds: undefined,
          memory: undefined,
        },
        {
          stage: 'main',
          phase: 'train',
          key: 'b'.repeat(64),
          cached: false,
          plugins: [],
          reason: 'train.epochs: 2 → 3 (anneal.config.ts)',
          seconds: { value: 75, basis: '40 steps at the 1,200 tokens/s of the last training' },
          memory: { value: 1.5e9, basis: 'the programs of this training' },
        },
      ];
    },
    async explain(options) {
      calls.push(['explain', options]);
      const [stage, parts] = ['main', { 'config seed': '0' }];
      const compared = { key: 'c'.repeat(64), at: new Date(0), cached: true };
      const epochs: Difference = {
        stage,
        phase: 'train',
        name: 'config train.epochs',
        before: '2',
        after: '3',
        source: 'anneal.config.ts',
      };
      return [
        { stage, phase: 'data', key: 'c'.repeat(64), cached: true, parts, compared, differences: [] },
        { stage, phase: 'train', key: 'b'.repeat(64), cached: false, parts, compared, differences: [epochs] },
      ];
    },
    run: (options = {}) => {
      const result = begin(options);
      // The command listens through `onEvent`.
      const events = () => undefined as never;
      return Object.assign(result, { events, [Symbol.asyncDispose]: async () => {} });
    },
    async inputs() {
      return ['/nowhere/anneal.config.json'];
    },
    async evaluate(options = {}) {
      const { dir, variant, rows } = options;
      calls.push(['evaluate', { dir, variant, rows }]);
      const test = [{ text: 'from the test split', label: 'ham' }];
      const predictions = (rows ?? test).map((row) => ({ row, outputs: { logits: [0, Math.log(3)] } }));
      return {
        metrics: rows === undefined ? { accuracy: { value: 0.98, ci95: [0.97, 0.99] } } : undefined,
        predictions,
      };
    },
    taps() {
      return [
        { stage: 'main', hook: 'train.transformLoss', kind: 'sync-waterfall', plugin: 'lora', order: 0, reasons: [] },
        {
          stage: 'main',
          hook: 'compress.transformModel',
          kind: 'waterfall',
          plugin: 'quantize',
          order: 400,
          reasons: ['STAGE.QUANTIZE'],
        },
      ];
    },
    timings() {
      return [
        { stage: 'base', plugin: 'tokenizer', hook: 'data.transformSample', calls: 4000, ms: 20, maxMs: 0.5 },
        { stage: 'adapt', plugin: 'tokenizer', hook: 'data.transformSample', calls: 1000, ms: 12.5, maxMs: 2 },
        { stage: 'adapt', plugin: 'lora#encoder', hook: 'model.transformModel', calls: 1, ms: 134, maxMs: 134 },
        { stage: 'adapt', plugin: 'lora#encoder', hook: 'train.onStep', calls: 5, ms: 0.001, maxMs: 0.0004 },
      ];
    },
    async close() {
      calls.push(['close']);
    },
    async [Symbol.asyncDispose]() {},
  };
  const services: Services = {
    async loadConfig(options) {
      calls.push(['loadConfig', options]);
      return resolveConfig({ name: 'mail-filter' }, { root: options.cwd, set: options.set });
    },
    async createPipeline(_, { onCall, strict }) {
      if (strict === true) calls.push(['createPipeline', { strict }]);
      onCall?.({ plugin: 'lora', hook: 'model.transformModel', start: performance.now(), ms: 2, isAsync: true });
      return pipeline;
    },
    openCache(config) {
      const remove = async (limit: number): Promise<Collected> => {
        calls.push(['remove', limit]);
        return { removed: entries.slice(1), kept: entries.slice(0, 1) };
      };
      return {
        list: async () => entries,
        gc: (maxBytes = config.cache.maxBytes) => remove(maxBytes),
        clear: () => remove(0),
      };
    },
  };
  return { services, calls };
}
