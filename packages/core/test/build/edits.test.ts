import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { definePlugin, type PluginInput, type UserConfig } from '@anneal/core';
import { seededRandom } from '@anneal/testkit';
import * as v from 'valibot';
import { expect, it } from 'vitest';

import { copying, filesOf, inline, listener, pipelineOf, project, rounding } from '../tiny/build.ts';
import { dataset, mlpPlugin, taskPlugin } from '../tiny/problem.ts';

/** Data that depend on the bytes of a file. */
const filePoints = definePlugin({
  name: 'file-points',
  options: v.strictObject({ file: v.string() }),
  setup(api, { file }) {
    const path = join(api.root, file);
    api.dependsOn(path);
    api.hooks.data.resolveDataset.tap(() => {
      const seed = [...readFileSync(path)].reduce((sum, byte) => (31 * sum + byte) % 1009, 7);
      return dataset({ seed });
    });
    api.hooks.data.transformSample.tap((sample) => ({ ...sample, features: { x: sample.row['x'] as number[] } }));
  },
});

/** Writes a file of the given text into the result. */
const signing = definePlugin({
  name: 'signing',
  options: v.strictObject({ text: v.string() }),
  setup(api, { text }) {
    api.hooks.emit.emit.tap((ctx) => ctx.write('signed.txt', text));
  },
});

/** Two plugins with the same name and other code, as before and after an edit of a source. */
const sources = [
  inline('scaled', ({ hooks }) => hooks.train.transformLoss.tap((loss) => loss)),
  inline('scaled', ({ hooks }) => hooks.train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 0.5))),
];

/** What edits change; numbers are chosen from as many values. */
const EDITS: Readonly<Record<string, number>> = {
  data: 4,
  hidden: 2,
  source: 2,
  epochs: 3,
  limit: 2,
  digits: 3,
  fold: 2,
  runs: 2,
  gate: 2,
  text: 2,
  name: 2,
  seed: 2,
};
type Place = Readonly<Record<string, number>>;

function configOf(root: string, place: Place): UserConfig {
  const of = (name: string): number => place[name]!;
  writeFileSync(join(root, 'points.bin'), Uint8Array.of(1, 2, of('data')));
  const code = { ...sources[of('source')]!({}), source: undefined };
  const plugins: PluginInput[] = [
    filePoints({ file: 'points.bin' }),
    taskPlugin({}),
    mlpPlugin({ hidden: 5 + of('hidden') }),
    code,
    of('fold') === 1 && copying({}),
    rounding({ digits: 3 + of('digits') }),
    signing({ text: String(of('text')) }),
  ];
  return {
    plugins,
    name: `tiny-${of('name')}`,
    seed: of('seed'),
    train: { epochs: 1 + of('epochs') },
    stages: { main: { data: of('limit') === 1 ? { limit: 12 } : {} } },
    evaluate: { latencyRuns: 1 + of('runs') },
    gates: { accuracy: `>= 0.0${of('gate')}` },
  };
}

/** Reports and the model card hold times. */
const TIMED = new Set(['report.json', 'report.html', 'README.md', '.anneal.json']);

/** Everything that is written, without what was measured of time, memory and the date. */
function resultOf(root: string): unknown {
  const files = [...filesOf(join(root, 'dist'))].filter(([name]) => !TIMED.has(name));
  const report = JSON.parse(readFileSync(join(root, 'dist', 'report.json'), 'utf8')) as {
    name: string;
    data: unknown;
    train: { curve: unknown; validation: unknown }[];
    metrics: { before: Record<string, unknown>; after: Record<string, unknown> };
    gates: unknown;
  };
  const { name, data, gates, metrics } = report;
  const measured = [metrics.before, metrics.after].map((variant) => [variant['accuracy'], variant['loss']]);
  return {
    files,
    name,
    data,
    gates,
    measured,
    train: report.train.map(({ curve, validation }) => [curve, validation]),
  };
}

it('after any edits the result is that of a build without a cache', async () => {
  const next = seededRandom(20);
  const names = Object.keys(EDITS);
  const root = project();
  let place: Place = Object.fromEntries(names.map((name) => [name, 0]));
  let reused = 0;
  for (let edit = 0; edit < 12; edit++) {
    // One edit, now and then two; some lead back to where the cache has been.
    for (let count = next() < 0.3 ? 2 : 1; count > 0; count--) {
      const name = names[Math.floor(next() * names.length)]!;
      place = { ...place, [name]: Math.floor(next() * EDITS[name]!) };
    }
    const { onEvent, told } = listener();
    await (await pipelineOf(root, configOf(root, place))).run({ onEvent });
    reused += told().phases.filter((phase) => phase.endsWith(' cached')).length;
    const fresh = project();
    mkdirSync(fresh, { recursive: true });
    await (await pipelineOf(fresh, configOf(fresh, place))).run();
    expect([place, resultOf(root)]).toEqual([place, resultOf(fresh)]);
    expect(told().warnings).toEqual([]);
  }
  // The cache had its part in it.
  expect(reused).toBeGreaterThan(20);
});
