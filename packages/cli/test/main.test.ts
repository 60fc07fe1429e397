import { AnnealError } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { exitCodeOf } from '../src/exit.ts';
import { commandNames, main } from '../src/main.ts';
import { fakeIo, fakeServices } from './fakes.ts';

async function run(...argv: string[]) {
  const io = fakeIo();
  const { services, calls } = fakeServices();
  const code = await main(argv, io, services);
  return { code, out: io.stdout.text(), err: io.stderr.text(), calls };
}

describe('version and help', () => {
  it.each([['--version'], ['-v'], ['build', '--version']])('%s', async (...argv) => {
    const { code, out } = await run(...argv);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  it('lists the commands, on stderr and as an error when none is given', async () => {
    const help = await run('--help');
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const name of commandNames) expect(help.out).toContain(`\n  ${name}`);
    expect(await run()).toMatchObject({ code: 2, out: '', err: help.out });
  });

  it.each(commandNames)('%s --help fits a terminal and names every option', async (name) => {
    const { code, out } = await run(name, '--help');
    expect(code).toBe(0);
    expect(out).toContain(`anneal ${name}`);
    expect(out).toContain('--config <file>');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe('a command line that is not valid', () => {
  it.each([
    [['biuld'], 'unknown command `biuld`, did you mean `build`?'],
    [['zzz'], 'unknown command `zzz`'],
    [['build', '--devise', 'cpu'], 'unknown option `--devise` of `anneal build`, did you mean `--device`?'],
    [['build', '--text', 'x'], 'unknown option `--text` of `anneal build`'],
    [['build', '-x'], 'unknown option `-x` of `anneal build`'],
    [['build', '--config'], 'option `-c, --config <value>` argument missing'],
    [['build', '--force=yes'], 'option `-f, --force` does not take an argument'],
    [['inspect'], '`anneal inspect` needs <what>'],
    [['inspect', 'confg'], 'nothing called `confg` can be inspected, did you mean `config`?'],
    [['doctor', 'now'], '`anneal doctor` takes no arguments, received also now'],
    [['eval', 'a', 'b', 'c'], '`anneal eval` takes 1 arguments, received also b c'],
    [
      ['inspect', 'hooks', 'train.transformLos'],
      'no plugin taps `train.transformLos`, did you mean `train.transformLoss`?',
    ],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await run(...argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`ANNEAL_E_USAGE  ${message}\n`);
    expect(err).toContain('fix');
  });

  it('says so as JSON too, when JSON is wanted', async () => {
    const { code, out, err } = await run('biuld', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ type: 'error', code: 'ANNEAL_E_USAGE', fix: 'run `anneal --help`' });
    expect(err).toContain('ANNEAL_E_USAGE');
  });
});

describe('what the config is loaded with', () => {
  const loaded = async (...argv: string[]) => (await run(...argv)).calls.find(([name]) => name === 'loadConfig')?.[1];

  it('options may stand before and after the command', async () => {
    const expected = { command: 'plan', file: 'x.json', mode: 'fast', cwd: '/nowhere' };
    expect(await loaded('plan', '--config', 'x.json', '-m', 'fast')).toMatchObject(expected);
    expect(await loaded('--config=x.json', '--mode', 'fast', 'plan')).toMatchObject(expected);
  });

  it('options become overrides, after those of --set, as texts or numbers', async () => {
    const argv = [
      '--set',
      'name=007',
      '--set',
      'seed=1',
      '--seed',
      '2',
      '--threads',
      '4',
      '--backend',
      'onnx',
      '--device',
      '1',
      '--max-memory',
      '4GB',
    ];
    expect(await loaded('plan', ...argv)).toMatchObject({
      set: [
        'name=007',
        'seed=1',
        { text: 'backend="onnx"', source: '--backend' },
        { text: 'device="1"', source: '--device' },
        { text: 'threads=4', source: '--threads' },
        { text: 'seed=2', source: '--seed' },
        { text: 'train.maxMemory="4GB"', source: '--max-memory' },
      ],
    });
  });

  it('the environment says what nobody typed, below --set', async () => {
    const { services, calls } = fakeServices();
    const env = {
      ANNEAL_MODE: 'fast',
      ANNEAL_CONFIG: 'x.json',
      ANNEAL_SEED: '3',
      ANNEAL_MAX_MEMORY: '4GB',
      ANNEAL_DEVICE: '',
    };
    await main(['plan', '--mode', 'slow', '--set', 'seed=4', '--seed', '5'], fakeIo({ env }), services);
    expect(calls.find(([name]) => name === 'loadConfig')?.[1]).toMatchObject({
      file: 'x.json',
      mode: 'slow',
      set: [
        { text: 'seed=3', source: 'ANNEAL_SEED' },
        { text: 'train.maxMemory="4GB"', source: 'ANNEAL_MAX_MEMORY' },
        'seed=4',
        { text: 'seed=5', source: '--seed' },
      ],
    });
  });
});

it('maps errors to exit codes', () => {
  const of = (code: string) => exitCodeOf(new AnnealError(code as 'ANNEAL_E_DATA', 'x'));
  expect(of('ANNEAL_E_DATA')).toBe(1);
  expect(of('MINE_E_X')).toBe(1);
  expect(of('ANNEAL_E_ABORTED')).toBe(130);
  for (const code of [
    'CONFIG',
    'CONFIG_LOAD',
    'CONFIG_NOT_FOUND',
    'OPTIONS',
    'PLUGIN',
    'PLUGIN_NOT_FOUND',
    'REQUIRES',
    'VERSION',
    'DEPRECATED',
    'GATE',
    'USAGE',
  ]) {
    expect(of(`ANNEAL_E_${code}`)).toBe(2);
  }
  expect(exitCodeOf(new TypeError('x'))).toBe(1);
  expect(exitCodeOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(1);
  expect(exitCodeOf(undefined)).toBe(1);
});
