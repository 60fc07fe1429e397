import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { UserConfig, VariantMetrics } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { gateQuantities, judgeGates, parseCondition } from '../../src/report/gates.ts';
import { basePlugins, failure, inline, listener, pipelineOf, project } from '../tiny/build.ts';

describe('a condition', () => {
  it.each([
    ['accuracy', '>= 0.97', '>=', 0.97],
    ['accuracy', '>=0.97', '>=', 0.97],
    ['accuracy', ' > .5 ', '>', 0.5],
    ['accuracy', '>= 97 %', '>=', 0.97],
    ['accuracy', '>= 97%', '>=', 0.97],
    ['drop', '<= -1e-3', '<=', -0.001],
    ['score', '< +1.5E+3', '<', 1500],
    ['score', '== 2.', '==', 2],
    ['latency.p95', '<= 20 ms', '<=', 20],
    ['latency.p50', '<= 0.5 s', '<=', 500],
    ['latency.p50', '<= 20', '<=', 20],
    ['before.latency.p50', '<= 1 s', '<=', 1000],
    ['size.bytes', '<= 10 MB', '<=', 1e7],
    ['size.bytes', '<= 10 MiB', '<=', 10 * 2 ** 20],
    ['size.bytes', '<= 3 KB', '<=', 3000],
    ['after.size.bytes', '<= 1 GiB', '<=', 2 ** 30],
    ['memory.peakRssMb', '<= 512', '<=', 512],
    ['memory.peakRssMb', '<= 2 GiB', '<=', 2048],
    ['memory.peakRssMb', '<= 1 GB', '<=', 1e9 / 2 ** 20],
    ['size.ratio', '<= 35 %', '<=', 0.35],
    ['audit.delay', '<= 2 s', '<=', 2000],
  ])('%s %s', (metric, condition, operator, bound) => {
    const read = parseCondition(metric, condition);
    expect(read.operator).toBe(operator);
    expect(read.bound).toBeCloseTo(bound, 12);
  });

  it.each([
    '',
    '0.97',
    '>=',
    '=> 1',
    '>= x',
    '>= 1 2',
    '>= 1 parsec',
    '>= 1 constructor',
    '>= 1 MS',
    '>= NaN',
    '!= 1',
    '>= 1,5',
  ])('cannot be %j', (condition) => {
    expect(() => parseCondition('accuracy', condition)).toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_GATE',
        path: ['gates', 'accuracy'],
        message: `gate \`accuracy\`: expected a comparison such as ">= 0.97" or "<= 20 ms", received ${JSON.stringify(condition)}`,
        fix: 'units are ms, s, %, B, KB, MB, GB, KiB, MiB, GiB',
      }),
    );
  });

  it.each([
    ['latency.p95', '<= 20 MB', 'ms, s'],
    ['latency.p95', '<= 20 %', 'ms, s'],
    ['size.bytes', '<= 20 s', 'B, KB, MB, GB, KiB, MiB, GiB'],
    ['before.memory.peakRssMb', '<= 20 ms', 'B, KB, MB, GB, KiB, MiB, GiB'],
  ])('%s %s has a unit of something else', (metric, condition, units) => {
    expect(() => parseCondition(metric, condition)).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_GATE', fix: `use ${units}` }),
    );
  });
});

const variant = (accuracy: number, bytes: number, more: Partial<VariantMetrics> = {}): VariantMetrics => ({
  metrics: { accuracy: { value: accuracy } },
  latencyMsP50: 10,
  latencyMsP95: 20,
  throughput: 100,
  bytes,
  peakRssMb: 200,
  figures: {},
  ...more,
});
const audit = { bias: { title: '', method: '', metrics: { flipRate: { value: 0.02 } } } };
const measured = {
  before: variant(0.95, 4000),
  after: variant(0.94, 1000, { latencyMsP50: 5 }),
  baseline: {},
  audit,
  checks: [],
};

describe('gates', () => {
  it('can name what ships, what it was before, ratios, drops and audits', () => {
    const quantities = gateQuantities(measured);
    for (const [name, value] of Object.entries({
      accuracy: 0.94,
      'before.accuracy': 0.95,
      'after.accuracy': 0.94,
      'accuracy.drop': 0.01,
      'size.bytes': 1000,
      'size.ratio': 0.25,
      'latency.p50': 5,
      'latency.p95': 20,
      'before.latency.p50': 10,
      'latency.ratio': 0.5,
      throughput: 100,
      'memory.peakRssMb': 200,
      'bias.flipRate': 0.02,
    })) {
      expect(quantities.get(name), name).toBeCloseTo(value, 12);
    }
    const alone = gateQuantities({ ...measured, after: undefined });
    expect(alone.get('size.ratio')).toBe(1);
    expect(alone.get('after.accuracy')).toBe(0.95);
    expect(alone.get('accuracy.drop')).toBe(0);
  });

  it.each([
    ['>= 0.94', true],
    ['> 0.94', false],
    ['<= 0.94', true],
    ['< 0.94', false],
    ['== 0.94', true],
    ['== 0.95', false],
    ['>= 94 %', true],
    ['>= 95 %', false],
  ])('accuracy %s: %s', (condition, passed) => {
    expect(judgeGates({ accuracy: condition }, measured)).toEqual([
      { metric: 'accuracy', condition, value: 0.94, passed },
    ]);
  });

  it.each(['>= 0', '<= 1', '> 0', '< 1', '== 0'])('fail for what is not a number: %s', (condition) => {
    const result = { ...measured, after: variant(Number.NaN, 1) };
    expect(judgeGates({ accuracy: condition }, result)).toMatchObject([{ passed: false }]);
  });

  it('of nothing measured are errors with the candidates', () => {
    for (const [name, hint] of [
      ['acuracy', ', did you mean `accuracy`?'],
      ['colour', ''],
    ] as const) {
      expect(() => judgeGates({ [name]: '>= 1' }, measured)).toThrow(
        expect.objectContaining({
          code: 'ANNEAL_E_GATE',
          path: ['gates', name],
          message: `gate \`${name}\` names nothing that was measured${hint}`,
          fix: 'use one of accuracy, latency.p50, latency.p95, throughput, size.bytes, memory.peakRssMb, size.ratio, latency.ratio, accuracy.drop, bias.flipRate',
        }),
      );
    }
  });
});

describe('a build with gates', () => {
  const run = async (overrides: UserConfig, root: string = project()) => {
    const { onEvent, told } = listener();
    const pipeline = await pipelineOf(root, overrides);
    const { report, accepted, outDir } = await pipeline.run({ onEvent });
    const written = outDir && (JSON.parse(readFileSync(join(outDir, 'report.json'), 'utf8')) as typeof report);
    return { report, accepted, outDir, written, phases: told().phases };
  };

  it('that are met is accepted', async () => {
    const { accepted, report } = await run({ gates: { accuracy: '>= 0', 'latency.p95': '<= 1 h'.replace('h', 's') } });
    expect(accepted).toBe(true);
    expect(report.gates).toMatchObject([
      { metric: 'accuracy', passed: true },
      { metric: 'latency.p95', passed: true },
    ]);
    expect(report.warnings.filter((warning) => warning.includes('Gate'))).toEqual([]);
  });

  it('that are not met is not, and the report is written', async () => {
    const root = project();
    const gates = { accuracy: '> 100 %', 'size.ratio': '<= 1' };
    const { accepted, report, outDir, written } = await run({ gates }, root);
    expect(accepted).toBe(false);
    expect(outDir).toBe(join(root, 'dist'));
    expect(written).toMatchObject({
      gates: [
        { metric: 'accuracy', passed: false },
        { metric: 'size.ratio', passed: true },
      ],
    });
    expect(report.warnings[0]).toMatch(/^Gate not met: accuracy is [\d.]+, wanted > 100 %$/);
    // A rejected build stays rejected when it comes from the cache.
    const again = await run({ gates }, root);
    expect(again.phases.every((phase) => phase.endsWith(' cached'))).toBe(true);
    expect(again.accepted).toBe(false);
    // With another gate, only the verdict is made anew.
    const lower = await run({ gates: { accuracy: '>= 0' } }, root);
    expect(lower.phases.filter((phase) => !phase.endsWith(' cached'))).toEqual(['main.emit']);
    expect(lower.accepted).toBe(true);
  });

  it('cannot be met by what is not a number', async () => {
    const broken = inline('broken', ({ hooks }) =>
      hooks.evaluate.transformMetrics.tap((metrics) => ({ ...metrics, metrics: { accuracy: { value: Number.NaN } } })),
    );
    const root = project();
    const overrides = { plugins: [...basePlugins(), broken({})], gates: { accuracy: '>= 0' } };
    expect((await run(overrides, root)).accepted).toBe(false);
    const fromCache = await run(overrides, root);
    expect(fromCache.accepted).toBe(false);
  });

  it('that name nothing fails when it is known what there is, and nothing is lost', async () => {
    const root = project();
    expect(await failure(run({ gates: { f1: '>= 0.5' } }, root))).toMatchObject({
      code: 'ANNEAL_E_GATE',
      fix: expect.stringContaining('accuracy, loss, latency.p50'),
    });
    const { phases } = await run({ gates: { accuracy: '>= 0' } }, root);
    expect(phases.slice(0, -1).every((phase) => phase.endsWith(' cached'))).toBe(true);
  });

  it('that cannot be read fails before anything runs', async () => {
    for (const gates of [{ 'latency.p95': '<= 5 MB' }]) {
      expect(await failure(pipelineOf(project(), { gates }))).toMatchObject({ code: 'ANNEAL_E_GATE' });
    }
  });

  it('says when a stage is not measured, so that nobody takes it for passed', async () => {
    const { report, accepted } = await run({ gates: { accuracy: '>= 2' }, stages: { main: { evaluate: false } } });
    expect(report.gates).toEqual([]);
    expect(accepted).toBe(true);
    expect(report.warnings).toContain('Gates not judged, as the stage is not evaluated: accuracy');
  });
});
