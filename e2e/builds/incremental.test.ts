import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { anneal, edit, phasesOf, planOf, project, resultOf, warningsOf } from './project.ts';

const PHASES = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'];
/** The phases before come from the cache, it and those after it run. */
const from = (first: string | undefined): readonly string[] => {
  const at = first === undefined ? PHASES.length : PHASES.indexOf(first);
  return PHASES.map((phase, i) => (i < at ? `${phase} cached` : phase));
};

async function build(root: string): Promise<readonly string[]> {
  const { code, lines, stderr } = await anneal(root, ['build']).ended;
  expect([code, stderr, warningsOf(lines)]).toEqual([0, '', []]);
  return phasesOf(lines);
}

describe('after an edit, `anneal build` runs', () => {
  it('what depends on it, and no more', async () => {
    const root = project();
    expect(await build(root)).toEqual(from('data'));
    const first = resultOf(root);
    expect(await build(root)).toEqual(from(undefined));

    // A comment in the config: nothing.
    const config = readFileSync(join(root, 'anneal.config.mjs'), 'utf8');
    writeFileSync(
      join(root, 'anneal.config.mjs'),
      `// The whole project\n${config.replace('threads: 1', 'threads: /* one */ 1')}`,
    );
    expect(await build(root)).toEqual(from(undefined));

    // An option of compression: from there on.
    edit(root, 'anneal.config.mjs', 'digits: 6', 'digits: 5');
    expect(await build(root)).toEqual(from('compress'));
    expect(resultOf(root).get('onnx/model.onnx')).toBe(first.get('onnx/model.onnx'));
    expect(resultOf(root).get('onnx/model_rounded.onnx')).not.toBe(first.get('onnx/model_rounded.onnx'));

    // The source of a plugin: from the first phase that it taps.
    edit(root, 'plugins/rounding.mjs', '2 ** digits', '2 ** (digits + 1)');
    expect(await build(root)).toEqual(from('compress'));
    // Five digits and one are six: the result of the first build, made anew.
    expect(resultOf(root)).toEqual(first);

    // One byte of the data: everything.
    edit(root, 'points.json', '"label":0', '"label":1');
    expect(planOf(root).map(({ reason }) => reason)).toEqual([
      'plugin points file points.json changed',
      ...PHASES.slice(1).map(() => 'plugin points file points.json changed (of main data)'),
    ]);
    expect(await build(root)).toEqual(from('data'));

    // Back to where it was: nothing has to be made but what another build has replaced.
    edit(root, 'points.json', '"label":1', '"label":0');
    expect(await build(root)).toEqual(from('emit'));
    expect(resultOf(root)).toEqual(first);

    // And what a longer training would take is known before.
    edit(root, 'anneal.config.mjs', 'epochs: 20', 'epochs: 40');
    const train = planOf(root).find(({ phase }) => phase === 'train')!;
    expect(train.reason).toBe('train.epochs: 20 → 40 (anneal.config.mjs)');
    expect(train.seconds!.basis).toMatch(/^760 steps at the [\d.,e+]+ tokens\/s of the last training$/);
    expect(train.memory!.basis).toBe('the programs of this training');
    expect(train.memory!.value).toBeGreaterThan(2e7);
  });
});
