// `pnpm bench hooks [--json]`: what the hook layer costs. Setting up 100 plugins beside webpack's Compiler with as many
// taps, the calls of taps beside bare tapable, and both in relation to the smallest training step.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { openBackend } from '@anneal/backend-onnx';
import { createPipeline, definePlugin, type Plugin, type TrainContext, type TrainPoint } from '@anneal/core';
import { tinyTextClassification } from '@anneal/testkit';
import { SyncHook } from 'tapable';
import * as v from 'valibot';
import webpack from 'webpack';

import { HookRegistry } from '../packages/core/src/hooks/create.ts';

const PLUGINS = 100;
/** Taps of a plugin, on hooks of both kinds. */
const TAPS = 5;
const ROUNDS = 50;
const CALLS = 300_000;
const STEP_TAPS = 10;

const root = mkdtempSync(join(tmpdir(), 'anneal-bench-'));
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const nothing = (): undefined => undefined;

/** With options that are checked, and an order that is declared. */
const plugins: readonly Plugin[] = Array.from({ length: PLUGINS }, (_, i) =>
  definePlugin({
    name: `plugin-${i}`,
    after: i % 10 === 0 ? [] : [`plugin-${i - 1}`],
    options: v.strictObject({ factor: v.optional(v.pipe(v.number(), v.minValue(0)), 1) }),
    setup({ hooks }) {
      hooks.data.afterDataset.tap(nothing);
      hooks.model.transformModel.tap(nothing);
      hooks.train.transformLoss.tap(nothing);
      hooks.train.onStep.tap(nothing);
      hooks.emit.emit.tap(nothing);
    },
  })({ factor: i }),
);

async function setUp(): Promise<void> {
  const backend = (): Promise<never> => Promise.reject(new Error('nothing runs'));
  await (await createPipeline({ plugins, backend }, { root })).close();
}

/** What a compiler is made with; webpack works it out before. */
const compilerOptions = webpack.config.getNormalizedWebpackOptions({});
webpack.config.applyWebpackOptionsDefaults(compilerOptions);

function setUpWebpack(): void {
  const { hooks } = new webpack.Compiler(root, compilerOptions as ConstructorParameters<typeof webpack.Compiler>[1]);
  for (let i = 0; i < PLUGINS; i++) {
    const name = `plugin-${i}`;
    hooks.run.tapPromise(name, () => Promise.resolve());
    hooks.thisCompilation.tap(name, nothing);
    hooks.compilation.tap(name, nothing);
    hooks.make.tapPromise(name, () => Promise.resolve());
    hooks.emit.tapPromise(name, () => Promise.resolve());
  }
}

async function time(work: () => Promise<void> | void): Promise<{ first: number; median: number }> {
  const ms: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    await work();
    ms.push(performance.now() - start);
  }
  return { first: ms[0] as number, median: median(ms) };
}

/** Nanoseconds of a call of a synchronous hook with so many taps that do nothing. */
function callNs(call: () => void): number {
  const rounds = Array.from({ length: 7 }, () => {
    const start = performance.now();
    for (let i = 0; i < CALLS; i++) call();
    return ((performance.now() - start) / CALLS) * 1e6;
  });
  return median(rounds.slice(1));
}

function ours(taps: number): number {
  const registry = new HookRegistry();
  for (let i = 0; i < taps; i++) registry.scoped(`plugin-${i}`).train.onStep.tap(nothing);
  registry.freeze();
  const [point, ctx] = [{} as TrainPoint, {} as TrainContext];
  const { onStep } = registry.hooks.train;
  return callNs(() => {
    onStep.call(point, ctx);
  });
}

function bare(taps: number): number {
  const hook = new SyncHook<[unknown, unknown]>(['point', 'ctx']);
  for (let i = 0; i < taps; i++) hook.tap(`plugin-${i}`, nothing);
  return callNs(() => {
    hook.call(undefined, undefined);
  });
}

/** Milliseconds of the smallest step: one row, a model of 340 weights, one thread. */
async function stepMs(): Promise<number> {
  const config = {
    plugins: tinyTextClassification(),
    backend: () => openBackend({ threads: 1 }),
    train: { epochs: 20, batchSize: 1 },
    stages: { main: { evaluate: false, emit: false } },
  };
  await using pipeline = await createPipeline(config, { root });
  const times: number[] = [];
  let last = 0;
  await pipeline.run({
    onEvent: ({ type }) => {
      if (type !== 'step') return;
      const now = performance.now();
      if (last > 0) times.push(now - last);
      last = now;
    },
  });
  return median(times);
}

try {
  const setup = { anneal: await time(setUp), webpack: await time(setUpWebpack) };
  const calls = [1, 3, STEP_TAPS].map((taps) => ({ taps, annealNs: ours(taps), tapableNs: bare(taps) }));
  const step = await stepMs();
  const perStep = (calls.at(-1) as (typeof calls)[number]).annealNs / 1e6;
  const share = perStep / step;
  if (process.argv.includes('--json')) {
    const machine = { cpu: cpus()[0]?.model, node: process.version };
    console.log(JSON.stringify({ benchmark: 'hooks', ...machine, setup, calls, stepMs: step, share }, undefined, 2));
  } else {
    const ms = (value: number): string => `${value.toFixed(2)} ms`.padStart(10);
    console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, node ${process.version}\n`);
    console.log(`${PLUGINS} plugins with ${TAPS} taps each          first     median of ${ROUNDS}`);
    console.log(`  createPipeline, options checked  ${ms(setup.anneal.first)}  ${ms(setup.anneal.median)}`);
    console.log(`  webpack's Compiler, taps only    ${ms(setup.webpack.first)}  ${ms(setup.webpack.median)}\n`);
    console.log('train.onStep                       with the layer   bare tapable');
    for (const { taps, annealNs, tapableNs } of calls) {
      console.log(
        `  ${String(taps).padStart(2)} taps      ${annealNs.toFixed(0).padStart(20)} ns ${tapableNs.toFixed(0).padStart(11)} ns`,
      );
    }
    console.log(
      `\nsmallest training step ${ms(step).trim()}: ${STEP_TAPS} taps are ${(100 * share).toFixed(3)} % of it`,
    );
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
