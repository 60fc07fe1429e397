import { AnnealError, formatError, suggest } from '@anneal/core';
import { GraphError } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { editDistance } from '../src/errors/suggest.ts';

describe('suggest', () => {
  it.each([
    ['epsilno', 'epsilon'],
    ['alhpa', 'alpha'],
    ['learning_rate', 'learningRate'],
    ['Epochs', 'epochs'],
    ['epoch', 'epochs'],
    ['zebra', undefined],
    ['x', undefined],
    ['', undefined],
    ['a'.repeat(10_000), undefined],
  ])('%s', (name, near) => {
    expect(suggest(name, ['epsilon', 'alpha', 'learningRate', 'epochs', 'y', 'p'.repeat(10_000)])).toBe(near);
  });

  // Known values, and the properties of a distance that swaps keep: symmetric, 0 only for equals.
  it('measures edits', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('ab', 'ba')).toBe(1);
    expect(editDistance('ca', 'abc')).toBe(3);
    const words = ['', 'a', 'ab', 'ba', 'abc', 'cab', 'rank', 'rnak'];
    for (const a of words) {
      for (const b of words) {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }
    }
  });
});

describe('formatError', () => {
  const options = new AnnealError('ANNEAL_E_OPTIONS', 'option `rank` must be an integer >= 1, received 0', {
    plugin: 'lora',
    path: ['plugins', 1, 'rank'],
    file: '/home/me/mail/anneal.config.ts',
    fix: 'use a rank between 1 and 64; 8 is the default',
    also: [
      new AnnealError('ANNEAL_E_OPTIONS', 'unknown option `alhpa`, did you mean `alpha`?', { plugin: 'lora' }),
      new AnnealError('ANNEAL_E_CONFIG', '`seed` must be an integer >= 0, received -1', {
        path: ['seed'],
        file: '--set',
      }),
    ],
  });

  it('says what, where, and what to do', () => {
    expect(formatError(options, { cwd: '/home/me/mail' })).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS  lora: option \`rank\` must be an integer >= 1, received 0
        at  plugins[1].rank  (anneal.config.ts)
        fix use a rank between 1 and 64; 8 is the default

      ANNEAL_E_OPTIONS  lora: unknown option \`alhpa\`, did you mean \`alpha\`?
        see docs/reference/errors.md#anneal_e_options

      ANNEAL_E_CONFIG  \`seed\` must be an integer >= 0, received -1
        at  seed  (--set)
        see docs/reference/errors.md#anneal_e_config"
    `);
  });

  it('wraps with a hanging indent', () => {
    const text = formatError(options, { width: 44 });
    expect(text).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS  lora: option \`rank\` must
        be an integer >= 1, received 0
        at  plugins[1].rank
            (/home/me/mail/anneal.config.ts)
        fix use a rank between 1 and 64; 8 is the
            default

      ANNEAL_E_OPTIONS  lora: unknown option
        \`alhpa\`, did you mean \`alpha\`?
        see docs/reference/errors.md#anneal_e_options

      ANNEAL_E_CONFIG  \`seed\` must be an integer
        >= 0, received -1
        at  seed  (--set)
        see docs/reference/errors.md#anneal_e_config"
    `);
  });

  it('colours, and nothing else', () => {
    const colored = formatError(options, { color: true });
    expect(colored).toContain('\u001b[1;31mANNEAL_E_OPTIONS\u001b[0m');
    // eslint-disable-next-line no-control-regex
    expect(colored.replaceAll(/\u001b\[[\d;]*m/g, '')).toBe(formatError(options));
  });

  it('prints graph errors the same way', () => {
    const error = new GraphError('ANNEAL_E_SHAPE', 'MatMul: cannot multiply [2, 3] and [4, 5]', {
      at: { node: 'matmul_3', module: 'encoder.layer.0' },
      fix: 'transpose the second operand',
    });
    expect(formatError(error)).toMatchInlineSnapshot(`
      "ANNEAL_E_SHAPE  MatMul: cannot multiply [2, 3] and [4, 5]
        at  node matmul_3, module encoder.layer.0
        fix transpose the second operand
        see docs/reference/errors.md#anneal_e_shape"
    `);
    // What a hook does with an error that has a code already.
    const passedOn = new AnnealError(error.code, error.message, {
      plugin: 'lora',
      hook: 'model.transformModel',
      fix: error.fix,
      cause: error,
    });
    expect(formatError(passedOn)).toMatchInlineSnapshot(`
      "ANNEAL_E_SHAPE  lora: MatMul: cannot multiply [2, 3] and [4, 5]
        at  node matmul_3, module encoder.layer.0, hook model.transformModel
        fix transpose the second operand
        see docs/reference/errors.md#anneal_e_shape"
    `);
  });

  it('shows the cause with the line of it that is not ours', () => {
    const cause = new TypeError('x is not a function', { cause: new Error('out of tea') });
    cause.stack = `TypeError: x is not a function
    at Object.<anonymous> (node:internal/main:1:1)
    at load (/home/me/node_modules/jiti/dist/jiti.cjs:1:1)
    at async fn (file:///home/me/mail/my-plugin.ts:12:34)`;
    const error = new AnnealError('ANNEAL_E_HOOK', 'threw in train.transformLoss: x is not a function', {
      plugin: 'mine',
      hook: 'train.transformLoss',
      cause,
    });
    expect(formatError(error, { cwd: '/home/me/mail' })).toMatchInlineSnapshot(`
      "ANNEAL_E_HOOK  mine: threw in train.transformLoss: x is not a function
        see   docs/reference/errors.md#anneal_e_hook
        cause TypeError: x is not a function
              at my-plugin.ts:12:34
              caused by Error: out of tea"
    `);
    expect(formatError(error, { stack: true })).toContain('node:internal/main');
  });

  it('keeps the lines of a code frame', () => {
    const cause = new SyntaxError('JSON Error in /x/anneal.config.json:\nUnexpected token\n> 1 | {,}\n    |  ^');
    const error = new AnnealError('ANNEAL_E_CONFIG_LOAD', 'the config file cannot be parsed', {
      cause,
      file: '/x/a.json',
    });
    expect(formatError(error, { width: 20 }).split('\n').slice(-3)).toEqual([
      '  cause SyntaxError: Unexpected token',
      '        > 1 | {,}',
      '            |  ^',
    ]);
  });

  it('prints an error without a code with its stack', () => {
    const error = new RangeError('too far');
    error.stack = 'RangeError: too far\n    at f (/a.js:1:2)';
    expect(formatError(error)).toBe('RangeError  too far\n    at f (/a.js:1:2)');
    expect(formatError('text')).toBe('Error  text');
    expect(formatError(undefined)).toBe('Error  undefined');
  });

  it('does not pass control characters on, or follow loops', () => {
    const error = new AnnealError('ANNEAL_E_DATA', 'subject \u001b[2J\u202e\u0007 of a mail');
    (error as { also: unknown }).also = [error];
    (error as { cause: unknown }).cause = error;
    const text = formatError(error);
    for (const escape of ['\u001b', '\u0007', '\u202e']) expect(text).not.toContain(escape);
    expect(text.split('\n').length).toBeLessThan(10);
  });

  it("names the page of a plugin's own code nowhere", () => {
    expect(formatError(new AnnealError('MINE_E_X', 'no'))).toBe('MINE_E_X  no');
  });
});
