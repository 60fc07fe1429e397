import { AnnealError } from '@anneal/core';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { main } from '../src/main.ts';
import { events, fakeIo, fakeServices, type FakePipelineOptions } from './fakes.ts';

async function build(argv: readonly string[], options: FakePipelineOptions = {}, env: Record<string, string> = {}) {
  const io = fakeIo({ env });
  const { services, calls } = fakeServices(options);
  const code = await main(['build', ...argv], io, services);
  return { code, out: io.stdout.text(), err: io.stderr.text(), calls, io };
}

it('ends with a table in 80 columns', async () => {
  const { code, out } = await build([]);
  expect(code).toBe(0);
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(out.replace(/ {2}\d+\.\d s /, '  N s ')).toMatchInlineSnapshot(`
    "
    ! Quantization makes it slower: 1.41 ms → 1.92 ms per row on this machine

    Training
      base  1,234 steps  1.47 M weights  45.2 k tok/s  1:51  logLoss 0.0812 at 800

    Model
                            before            after   change
      accuracy     0.9812 ± 0.0060  0.9802 ± 0.0060  -0.0010
      ece                   0.0104           0.0121  +0.0017
      latency p50          1.41 ms          1.92 ms    1.36×
      latency p95          2.10 ms          2.08 ms    0.99×
      throughput             845/s         1.21 k/s    1.43×
      size                 5.90 MB          1.66 MB    0.28×
      peak memory          182 MiB          121 MiB    0.66×

    Baseline
      tfidf-logreg  accuracy 0.9689, f1 0.9373

    Audit
      bias  flipRate 0.0031

    Gates
      ✓  accuracy       >= 0.97   0.9802
      ✗  bias.flipRate  <= 0.001  0.0031

    ✓ built mail-filter  N s  → dist
      1 of 2 comparisons passed
      report  dist/report.html

    "
  `);
});

it('exits with 3 when a gate was not met, and says so even when quiet', async () => {
  const { code, out, err } = await build(['--quiet'], { accepted: false });
  expect(code).toBe(3);
  expect(out).toContain('✗ mail-filter: a gate was not met');
  expect(err).toBe('! text-data: 3 mails cannot be parsed\n');
});

it('prints warnings and errors only when quiet', async () => {
  const { code, out, err } = await build(['-q']);
  expect({ code, out, err }).toEqual({ code: 0, out: '', err: '! text-data: 3 mails cannot be parsed\n' });
});

it('tells every event as a line of JSON, then the result, and nothing else on stdout', async () => {
  const { code, out, err } = await build(['--json'], { accepted: false });
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.slice(0, -1)).toEqual(JSON.parse(JSON.stringify(events)));
  expect(lines.at(-1)).toMatchObject({ type: 'result', accepted: false, outDir: '/nowhere/dist' });
  expect({ code, err }).toEqual({ code: 3, err: '' });
});

it('prints lines where there is no terminal', async () => {
  expect((await build([])).err).toMatchInlineSnapshot(`
    "> base     data
    ! text-data: 3 mails cannot be parsed
    ✓ base     data       2.1 s
    > base     train
      base     validation accuracy 0.9700
    ✓ base     train      1 min 51 s
    "
  `);
  expect((await build(['--debug'])).err).toContain('text-data: read 12 files\n');
});

it('passes stages and force on, and closes the pipeline', async () => {
  const { calls } = await build(['base', 'adapt', '--force']);
  expect(calls.slice(1)).toEqual([['run', { stages: ['base', 'adapt'], force: true }], ['close']]);
  expect((await build([])).calls.slice(1)).toEqual([['run', { stages: undefined, force: false }], ['close']]);
});

it('stops at the first Ctrl-C and says how to go on', async () => {
  const { services } = fakeServices({
    async run({ signal }) {
      io.stop();
      expect(signal?.aborted).toBe(true);
      throw new AnnealError('ANNEAL_E_ABORTED', 'the run was stopped');
    },
  });
  const io = fakeIo();
  expect(await main(['build'], io, services)).toBe(130);
  expect(io.stderr.text()).toContain('stopping at the next safe point; once more to quit at once\n');
  expect(io.stderr.text()).toMatch(/stopped; run the same command again to go on from there\n$/);
  expect(io.exits).toEqual([]);
  // Nobody listens any more.
  io.stop();
  io.stop();
  expect(io.exits).toEqual([]);
});

it.each([['SIGINT', 130] as const, ['SIGTERM', 143] as const])('quits at the second %s', async (signal, code) => {
  const io = fakeIo();
  const { services } = fakeServices({
    async run() {
      io.stop(signal);
      io.stop(signal);
    },
  });
  await main(['build'], io, services);
  expect(io.exits).toEqual([code]);
});

it('prints what went wrong, closes the pipeline and exits with 1', async () => {
  const also = new AnnealError('ANNEAL_E_DATA', 'no rows');
  const error = new AnnealError('ANNEAL_E_TRAIN', 'the loss is not finite', {
    plugin: 'lora',
    fix: 'less',
    also: [also],
  });
  const failing: FakePipelineOptions = { run: () => Promise.reject(error) };
  const { code, out, err, calls } = await build([], failing);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain('ANNEAL_E_TRAIN  lora: the loss is not finite\n  fix less\n');
  expect(err).toContain('ANNEAL_E_DATA  no rows\n');
  expect(calls.at(-1)).toEqual(['close']);
  const json = (await build(['--json'], failing)).out.trimEnd().split('\n');
  expect(JSON.parse(json.at(-1) as string)).toMatchObject({
    type: 'error',
    code: 'ANNEAL_E_TRAIN',
    plugin: 'lora',
    also: [{ code: 'ANNEAL_E_DATA' }],
  });
});

it('prints stacks with --debug, and always for errors without a code', async () => {
  const failing: FakePipelineOptions = { run: () => Promise.reject(new TypeError('x is not a function')) };
  const { code, err } = await build([], failing);
  expect(code).toBe(1);
  expect(err).toMatch(/TypeError {2}x is not a function\n {4}at /);
});

it('obeys NO_COLOR and FORCE_COLOR', async () => {
  expect((await build([], {}, { FORCE_COLOR: '1' })).out).toContain('\u001b[32m');
  expect((await build([], {}, { FORCE_COLOR: '1', NO_COLOR: '1' })).out).not.toContain('\u001b');
});

it('shows what each plugin took in each hook', async () => {
  const { out } = await build(['--timings']);
  expect(out.slice(out.indexOf('Hooks'))).toMatchInlineSnapshot(`
    "Hooks what a hook waits for is counted in it
      plugin        hook                  calls    total      mean   longest
      lora#encoder  model.transformModel      1   134 ms    134 ms    134 ms
      tokenizer     data.transformSample  5,000  32.5 ms   6.50 µs   2.00 ms
      lora#encoder  train.onStep              5  1.00 µs  0.200 µs  0.400 µs

    "
  `);
  const json = await build(['--timings', '--json']);
  expect(JSON.parse(json.out.trim().split('\n').at(-1)!)).toMatchObject({
    type: 'result',
    timings: [{ stage: 'base', plugin: 'tokenizer' }, {}, {}, {}],
  });
});

it.each([false, true])('writes a trace, also of a build that fails: %s', async (fails) => {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-cli-'));
  try {
    const file = join(folder, 'trace.json');
    const run = (): Promise<void> =>
      fails ? Promise.reject(new AnnealError('ANNEAL_E_DATA', 'no rows')) : Promise.resolve();
    const { code } = await build(['--profile', file], { run });
    expect(code).toBe(fails ? 1 : 0);
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: { name: string; ph: string }[] };
    expect(traceEvents.map(({ name, ph }) => `${ph} ${name}`)).toEqual(
      expect.arrayContaining(['B base: data', 'E base: data', 'b model.transformModel', 'e model.transformModel']),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('says that a trace cannot be written', async () => {
  const { code, err } = await build(['--profile', import.meta.dirname]);
  expect(code).toBe(1);
  expect(err).toMatch(/^ANNEAL_E_WRITE {2}the file could not be written\n.*\/test$/m);
  expect(err).not.toContain('node:internal');
});

it('passes --strict on', async () => {
  expect((await build(['--strict'])).calls).toContainEqual(['createPipeline', { strict: true }]);
  expect((await build([])).calls.map(([method]) => method)).not.toContain('createPipeline');
});
