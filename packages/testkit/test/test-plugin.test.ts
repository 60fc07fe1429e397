import { existsSync } from 'node:fs';

import { referenceBackend, tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { testPlugin } from '../src/index.ts';
import { AGAIN, ALONE, BUILD, plugin, problems, right, SHARED } from './problems.ts';

describe('testPlugin', () => {
  it('has nothing against a plugin that is right', async () => {
    const value = tensor('float32', [], [3]);
    expect(
      await problems(right, {
        valid: [
          { name: 'build', check: ({ phases }) => expect(phases).toContain('main.train') },
          { name: 'other options', options: { factor: 0.5 } },
        ],
        traced: [
          { name: 'twice', hook: 'transformLoss', value, expect: tensor('float32', [], [6]) },
          { name: 'thrice', options: { factor: 3 }, hook: 'transformLoss', value, expect: tensor('float32', [], [9]) },
        ],
        invalid: [
          { options: { factor: -1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['factor'], message: /received -1/ }] },
          { options: { faktor: 1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', message: /did you mean `factor`/ }] },
        ],
        backends: { second: () => Promise.resolve(referenceBackend()) },
      }),
    ).toEqual({});
  });

  it('registers what it returns, and runs nothing before', () => {
    const registered: string[] = [];
    const never = plugin(() => {
      throw new Error('set up');
    });
    const tests = testPlugin(never, { valid: [{ name: 'build' }], it: (name) => registered.push(name) });
    expect(registered).toEqual(tests.map(({ name }) => name));
    expect(registered).toEqual([
      'describes every option',
      'takes options from JSON',
      'refuses options that it does not have',
      'has a name in kebab-case',
      'build (reference)',
      AGAIN,
      ALONE,
      SHARED,
    ]);
  });

  it('leaves no folder behind', async () => {
    const roots: string[] = [];
    const failing = plugin((api) => {
      roots.push(api.root);
      api.hooks.train.beforeTrain.tap(() => {
        if (roots.length % 2 === 0) throw api.error('ANNEAL_E_TRAIN', 'every second time');
      });
    });
    await problems(failing, BUILD);
    expect(roots).toHaveLength(4);
    expect(roots.filter((root) => existsSync(root))).toEqual([]);
  });

  it('says what a check of a case says', async () => {
    const check = (): void => expect(1, 'the loss').toBe(2);
    expect(await problems(right, { valid: [{ name: 'build', check }] })).toEqual({
      'build (reference)': expect.stringContaining('the loss: expected 1 to be 2'),
    });
  });

  it('refuses two cases of one name', async () => {
    const found = await problems(right, { valid: [{ name: 'build' }, { name: 'build', options: { factor: 3 } }] });
    expect(found['cases have names of their own']).toContain('there are two cases called "build (reference)"');
  });
});

describe('a case that must fail', () => {
  const throwing = plugin((api, { factor }) => {
    api.hooks.train.beforeTrain.tap(() => {
      if (factor === 3) throw api.error('ANNEAL_E_TRAIN', 'three is too much');
      if (factor === 4) throw new Error('no code');
    });
  });
  const invalid = (options_: object, error: object): Promise<Readonly<Record<string, string>>> =>
    problems(throwing, { invalid: [{ options: options_, errors: [{ code: 'ANNEAL_E_TRAIN', ...error }] }] });

  it('in the build', async () => {
    expect(await invalid({ factor: 3 }, { message: 'three is too much', hook: 'train.beforeTrain' })).toEqual({});
    expect(await invalid({ factor: 4 }, { code: 'ANNEAL_E_HOOK', message: /no code/ })).toEqual({});
  });

  it('with another error, or none', async () => {
    expect(await invalid({ factor: 3 }, { message: /two/ })).toEqual({
      'refuses {"factor":3}':
        'expected ANNEAL_E_TRAIN /two/\nreceived ANNEAL_E_TRAIN three is too much in train.beforeTrain',
    });
    expect(await invalid({ factor: 2 }, {})).toEqual({
      'refuses {"factor":2}': 'nothing was wrong, expected ANNEAL_E_TRAIN',
    });
    const silent = await problems(throwing, { invalid: [{ options: { factor: 3 }, errors: [] }] });
    expect(silent).toEqual({ 'refuses {"factor":3}': 'the case names no error' });
  });

  it('with one error of several', async () => {
    const options_ = { factor: -1, faktor: 1 };
    expect(await invalid(options_, { code: 'ANNEAL_E_OPTIONS' })).toEqual({
      'refuses {"factor":-1,"faktor":1}': expect.stringMatching(/^expected ANNEAL_E_OPTIONS\nreceived .*; /),
    });
  });

  it('without the name of the plugin', async () => {
    const failing = plugin(() => undefined);
    const found = await problems(failing, {
      invalid: [{ name: 'no data', plugins: [], errors: [{ code: 'ANNEAL_E_UNANSWERED' }] }],
    });
    expect(found['refuses no data']).toBe(
      'ANNEAL_E_UNANSWERED does not name the plugin: throw `api.error`, received none',
    );
  });
});
