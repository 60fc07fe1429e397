import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Asker } from '../src/asker.ts';
import { main } from '../src/main.ts';
import { loadAsker } from '../src/terminal.ts';
import { folder } from './folder.ts';

async function run(argv: readonly string[], asker?: Asker) {
  const cwd = folder();
  const texts = { out: '', err: '' };
  const code = await main(argv, {
    cwd,
    env: {},
    asker: asker && (async () => asker),
    out: (text) => (texts.out += text),
    err: (text) => (texts.err += text),
  });
  return { cwd, code, ...texts };
}

const silent: Asker = { text: async () => undefined, choose: async () => undefined, confirm: async () => undefined };

describe('npm create anneal', () => {
  it('writes a project into a new folder without asking where nobody can answer', async () => {
    const { cwd, code, out, err } = await run(['my-filter']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(readFileSync(join(cwd, 'my-filter/package.json'), 'utf8')).toContain('"name": "my-filter"');
    expect(out).toContain('Next:\n  cd my-filter\n  npm install\n');
  });

  it('asks nothing with --yes', async () => {
    expect((await run(['x', '--yes'], silent)).code).toBe(0);
    const stopped = await run(['x'], silent);
    expect(stopped).toMatchObject({ code: 130, out: '', err: 'nothing was written\n' });
    expect(existsSync(join(stopped.cwd, 'x'))).toBe(false);
  });

  it('has a help with every template and flag, and a version', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const text of ['llm-lora', 'compress-onnx', 'plugin ', '--template <name>', '-y, --yes', '-h, --help'])
      expect(out).toContain(text);
    expect((await run(['-v'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['--tempalte', 'x'], 'Unknown option `--tempalte`'],
    [['a', 'b'], 'one folder at most, received a, b'],
    [['--template', 'x'], '`--template` must be one of text-classifier, llm-lora, compress-onnx, plugin, received "x"'],
  ])('refuses %j', async (argv, message) => {
    const { code, out, err } = await run(argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).toMatch(/\n {2}fix .+\n$/);
  });
});

it.each([
  [true, true, {}, true],
  [false, true, {}, false],
  [true, undefined, {}, false],
  [true, true, { CI: 'true' }, false],
])('asks on a terminal only: stdin %s, stdout %s, %j', async (stdin, stdout, env, isAsked) => {
  const load = loadAsker({ stdin: { isTTY: stdin }, stdout: { isTTY: stdout }, env });
  expect(load !== undefined).toBe(isAsked);
  if (load !== undefined) expect(await load()).toHaveProperty('confirm');
});
