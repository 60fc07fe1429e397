import type { RunEvent, RunHandle, UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { EventStream } from '../src/observe/stream.ts';
import { basePlugins, failure, inline, listener, pipelineOf, project, rounding } from './tiny/build.ts';

const full = (more: UserConfig = {}): UserConfig => ({ plugins: [...basePlugins(), rounding()], ...more });
const isBar = ({ type }: RunEvent): boolean => type === 'progress';
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function collect(run: RunHandle, pace: () => Promise<void> = () => Promise.resolve()): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events()) {
    events.push(event);
    await pace();
  }
  return events;
}

describe('events of a run', () => {
  it('are those that `onEvent` hears, from the first to the last', async () => {
    const { onEvent, told } = listener();
    const run = (await pipelineOf(project(), full())).run({ onEvent });
    const events = await collect(run);
    const { events: wanted } = told();
    expect(events.filter((event) => !isBar(event))).toEqual(wanted.filter((event) => !isBar(event)));
    expect(events[0]).toEqual({ type: 'phase-start', stage: 'main', phase: 'data' });
    expect(events.at(-1)).toMatchObject({ type: 'phase-end', phase: 'emit' });
    expect(await run).toMatchObject({ accepted: true });
  });

  it('reach a slow listener all the same: every step, and of each bar the latest state', async () => {
    const { onEvent, told } = listener();
    const run = (await pipelineOf(project(), full())).run({ onEvent });
    const slow = await collect(run, rest);
    const { events: wanted } = told();
    expect(slow.filter((event) => !isBar(event))).toEqual(wanted.filter((event) => !isBar(event)));
    const bars = (events: readonly RunEvent[]): readonly RunEvent[] =>
      events.filter((event) => event.type === 'progress' && event.finished);
    expect(bars(slow)).toEqual(bars(wanted));
    expect(slow.length).toBeLessThan(wanted.length);
  });

  it('go to several listeners, each at its own pace', async () => {
    const run = (await pipelineOf(project(), full())).run();
    const [fast, slow] = await Promise.all([collect(run), collect(run, rest)]);
    expect(slow.filter((event) => !isBar(event))).toEqual(fast.filter((event) => !isBar(event)));
  });

  it('end when the listener leaves, and the run goes on', async () => {
    const root = project();
    const run = (await pipelineOf(root, full())).run();
    for await (const event of run.events()) if (event.type === 'step') break;
    expect(await run).toMatchObject({ accepted: true, outDir: `${root}/dist` });
    // Too late: nothing comes any more.
    expect(await collect(run)).toEqual([]);
  });

  it('fail with what the run fails with, and so does the run', async () => {
    const failing = inline('failing', ({ hooks }) =>
      hooks.data.afterDataset.tap(() => {
        throw new Error('enough');
      }),
    );
    const run = (await pipelineOf(project(), { plugins: [...basePlugins(), failing({})] })).run();
    const events: RunEvent[] = [];
    const listening = (async () => {
      for await (const event of run.events()) events.push(event);
    })();
    // Nobody waits for the run itself yet: that must not end the process.
    const error = await failure(listening);
    await new Promise(setImmediate);
    expect(error).toMatchObject({ code: 'ANNEAL_E_HOOK', plugin: 'failing' });
    expect(await failure(run)).toBe(error);
    expect(events.map(({ type }) => type)).toEqual(['phase-start']);
  });

  it('are told when the run is stopped by the end of its block', async () => {
    const pipeline = await pipelineOf(project(), full({ train: { epochs: 5000 } }));
    let stopped: RunHandle;
    {
      await using run = pipeline.run();
      stopped = run;
      for await (const event of run.events()) if (event.type === 'step') break;
    }
    expect(await failure(stopped)).toMatchObject({ code: 'ANNEAL_E_ABORTED' });
    // The pipeline is still good for the next.
    await pipeline.run({ stages: ['main'], signal: AbortSignal.timeout(1) }).catch(() => undefined);
    expect(await pipeline.plan()).toHaveLength(6);
  });

  it('of a run that cannot begin fail as it does', async () => {
    const run = (await pipelineOf(project(), full())).run({ stages: ['nothing'] });
    expect(await failure(collect(run))).toMatchObject({ code: 'ANNEAL_E_CONFIG' });
    expect(await failure(run)).toMatchObject({ code: 'ANNEAL_E_CONFIG' });
  });
});

describe('a stream', () => {
  const bar = (id: number, done: number): RunEvent => ({
    type: 'progress',
    id,
    label: '',
    done,
    total: 9,
    note: undefined,
    finished: false,
  });
  const start: RunEvent = { type: 'phase-start', stage: 's', phase: 'data' };

  it('keeps the latest state of each bar in its place', async () => {
    const stream = new EventStream();
    const events = stream.events();
    for (const event of [bar(0, 1), start, bar(1, 1), bar(0, 2), bar(1, 2)]) stream.emit(event);
    expect((await events.next()).value).toEqual(bar(0, 2));
    stream.emit(bar(0, 3));
    stream.end({ failed: false });
    const left: unknown[] = [];
    for await (const event of events) left.push(event);
    expect(left).toEqual([start, bar(1, 2), bar(0, 3)]);
  });

  it('answers questions that came before the events, in order', async () => {
    const stream = new EventStream();
    const events = stream.events();
    const asked = [events.next(), events.next(), events.next()];
    stream.emit(start);
    stream.emit(bar(0, 1));
    stream.end({ failed: true, error: new Error('over') });
    await expect(asked[2]).rejects.toThrow('over');
    expect(await Promise.all(asked.slice(0, 2))).toEqual([start, bar(0, 1)].map((value) => ({ done: false, value })));
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('ends questions of a listener that leaves', async () => {
    const stream = new EventStream();
    const events = stream.events();
    const asked = events.next();
    stream.emit(start);
    const open = events.next();
    await events.return!();
    stream.emit(start);
    expect(await asked).toEqual({ done: false, value: start });
    expect(await open).toEqual({ done: true, value: undefined });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });
});
