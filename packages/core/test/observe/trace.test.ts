import { createPipeline, type TapCall, Trace } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { basePlugins, config, folder, inline } from '../tiny/build.ts';

interface Event {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly id: number;
  readonly cat: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Of sums of times, in microseconds. */
const ROUNDING = 1e-4;

/** What the Trace Event Format demands of events, and Perfetto of tracks: that spans nest. */
function check(events: readonly Event[]): void {
  const open = new Map<string, { name: string; end: number }[]>();
  let last = 0;
  for (const { name, ph, pid, tid, ts, dur, id, cat, args } of events) {
    expect(typeof name).toBe('string');
    expect([pid, Number.isInteger(tid)]).toEqual([1, true]);
    if (ph === 'M') {
      expect(['process_name', 'thread_name']).toContain(name);
      expect(typeof args['name']).toBe('string');
      continue;
    }
    expect(Number.isFinite(ts)).toBe(true);
    expect(ts).toBeGreaterThanOrEqual(last);
    last = ts;
    const track = `${tid}${ph === 'b' || ph === 'e' ? `/${cat}/${id}` : ''}`;
    const stack = open.get(track) ?? [];
    open.set(track, stack);
    while (ph !== 'b' && ph !== 'e' && stack.length > 0 && stack.at(-1)!.end <= ts + ROUNDING) stack.pop();
    if (ph === 'B' || ph === 'b') stack.push({ name, end: Number.POSITIVE_INFINITY });
    else if (ph === 'E' || ph === 'e') expect(stack.pop()).toMatchObject({ name, end: Number.POSITIVE_INFINITY });
    else {
      expect(ph).toBe('X');
      expect(dur).toBeGreaterThanOrEqual(0);
      const outer = stack.at(-1);
      if (outer !== undefined) expect(ts + dur).toBeLessThanOrEqual(outer.end + ROUNDING);
      stack.push({ name, end: ts + dur });
    }
  }
  for (const stack of open.values()) expect(stack.filter(({ end }) => end === Number.POSITIVE_INFINITY)).toEqual([]);
}

const eventsOf = (trace: Trace): readonly Event[] =>
  (JSON.parse(JSON.stringify(trace)) as { traceEvents: Event[] }).traceEvents;

describe('a trace', () => {
  it('of a build is valid and has its phases, steps and taps', async () => {
    const trace = new Trace();
    const slow = inline('slow', (api) => {
      api.hooks.evaluate.auditModel.tap(async ({ predict, split }) => void (await predict(split)));
      api.hooks.evaluate.auditModel.tap(() => new Promise((resolve) => setTimeout(resolve, 5)));
      api.hooks.train.onStep.tap(() => undefined);
    });
    const plugins = [...basePlugins(), slow({})];
    const pipeline = await createPipeline(config({ plugins }), { root: folder(), onCall: trace.call });
    await pipeline.run({ onEvent: trace.event });
    const events = eventsOf(trace);
    check(events);
    const tracks = new Map(
      events.filter(({ name }) => name === 'thread_name').map(({ tid, args }) => [args['name'], tid]),
    );
    expect([...tracks.keys()]).toEqual(expect.arrayContaining(['phases', 'points', 'slow', 'mlp']));
    const names = (ph: string, tid: unknown): readonly string[] =>
      events.filter((event) => event.ph === ph && event.tid === tid).map(({ name }) => name);
    expect(names('B', tracks.get('phases'))).toEqual(
      ['data', 'model', 'train', 'compress', 'evaluate', 'emit'].map((phase) => `main: ${phase}`),
    );
    expect(names('X', tracks.get('phases'))).toEqual(Array.from({ length: 6 }, () => 'step'));
    expect(names('X', tracks.get('slow'))).toEqual(Array.from({ length: 6 }, () => 'train.onStep'));
    expect(names('b', tracks.get('slow'))).toEqual(['evaluate.auditModel', 'evaluate.auditModel']);
  });

  it('keeps what overlaps apart, and numbers that JSON has not', () => {
    const trace = new Trace();
    const start = performance.now();
    const call = (from: number, ms: number, isAsync: boolean): TapCall => ({
      plugin: 'p',
      hook: 'h',
      start: start + from,
      ms,
      isAsync,
    });
    for (const one of [call(1, 10, true), call(2, 20, true), call(3, 1, false), call(3.2, 0.1, false)]) trace.call(one);
    const point = { step: 1, epoch: 0, loss: Number.NaN, learningRate: 0, gradNorm: 0 };
    trace.event({ type: 'step', stage: 'main', point });
    const events = eventsOf(trace);
    check(events);
    expect(events.find(({ name }) => name === 'step')?.args).toEqual({ step: 1, loss: null });
  });
});

it('timings count the calls of all taps over all runs', async () => {
  const counting = inline('counting', (api) => {
    api.hooks.train.onStep.tap(() => undefined);
    api.hooks.train.beforeTrain.tap(() => new Promise((resolve) => setTimeout(resolve, 8)));
    api.hooks.train.afterTrain.tap(() => undefined);
    api.hooks.pipeline.onFail.tap(() => undefined);
  });
  const calls: TapCall[] = [];
  const pipeline = await createPipeline(config({ plugins: [...basePlugins(), counting({})] }), {
    root: folder(),
    onCall: (call) => void calls.push(call),
  });
  expect(pipeline.timings()).toEqual([]);
  await pipeline.run();
  await pipeline.run({ force: true });
  const own = pipeline.timings().filter(({ plugin }) => plugin === 'counting');
  expect(own.map(({ stage, hook, calls: count }) => [stage, hook, count])).toEqual([
    ['main', 'train.onStep', 12],
    ['main', 'train.beforeTrain', 2],
    ['main', 'train.afterTrain', 2],
  ]);
  const before = own.find(({ hook }) => hook === 'train.beforeTrain')!;
  expect(before.ms).toBeGreaterThan(10);
  expect(before.maxMs).toBeLessThan(before.ms);
  expect(before.maxMs).toBeGreaterThan(before.ms / 2);
  expect(calls.filter(({ plugin, hook }) => plugin === 'counting' && hook === 'train.onStep')).toHaveLength(12);
});
