import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { anneal, edit, type Line, phasesOf, project, resultOf } from './project.ts';

/** `anneal dev` on a project, and what it says. */
class Dev {
  readonly root: string;
  readonly #process: ReturnType<typeof anneal>;
  #seen = 0;

  constructor(root: string, args: readonly string[] = []) {
    this.root = root;
    this.#process = anneal(root, ['dev', ...args]);
    running.push(this);
  }

  /** Lines up to the next of this type, which comes last. */
  async until(isIt: (line: Line) => boolean): Promise<readonly Line[]> {
    const start = this.#seen;
    for (let waited = 0; ; waited += 20) {
      const { lines } = this.#process;
      while (this.#seen < lines.length) if (isIt(lines[this.#seen++]!)) return lines.slice(start, this.#seen);
      if (waited > 60_000) throw new Error(`nothing came after ${JSON.stringify(lines.slice(-5))}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The next build that ends with a result. */
  result(): Promise<readonly Line[]> {
    return this.until(({ type }) => type === 'result');
  }

  stop(signal: NodeJS.Signals): ReturnType<typeof anneal>['ended'] {
    this.#process.child.kill(signal);
    return this.#process.ended;
  }
}
const running: Dev[] = [];
afterEach(async () => {
  for (const dev of running.splice(0)) await dev.stop('SIGKILL');
});

const of = (type: string) => (line: Line) => line.type === type;
const cached = (names: readonly string[]): readonly string[] => names.map((name) => `${name} cached`);

describe('anneal dev', () => {
  it('builds again what a change is for, and goes on after errors', async () => {
    const dev = new Dev(project());
    const { root } = dev;
    expect(phasesOf(await dev.result())).toEqual(['data', 'model', 'train', 'compress', 'evaluate', 'emit']);
    const before = resultOf(root);

    // The config: an option of compression.
    edit(root, 'anneal.config.mjs', 'digits: 6', 'digits: 4');
    const [change, ...rest] = await dev.result();
    expect(change).toEqual({ type: 'change', paths: [join(root, 'anneal.config.mjs')] });
    expect(phasesOf(rest)).toEqual([...cached(['data', 'model', 'train']), 'compress', 'evaluate', 'emit']);
    expect(resultOf(root)).not.toEqual(before);

    // The source of a plugin, and a module that it imports.
    edit(root, 'plugins/rounding.mjs', '2 ** digits', '2 ** (digits + 2)');
    expect(phasesOf(await dev.result())).toEqual([
      ...cached(['data', 'model', 'train']),
      'compress',
      'evaluate',
      'emit',
    ]);
    expect(resultOf(root)).toEqual(before);

    // A config that does not load is told, and so is what is wrong in it; then it goes on.
    const config = readFileSync(join(root, 'anneal.config.mjs'), 'utf8');
    writeFileSync(join(root, 'anneal.config.mjs'), `${config}\n}`);
    expect((await dev.until(of('error'))).at(-1)).toMatchObject({ code: 'ANNEAL_E_CONFIG_LOAD' });
    writeFileSync(join(root, 'anneal.config.mjs'), config.replace('epochs: 20', 'epochs: -1'));
    expect((await dev.until(of('error'))).at(-1)).toMatchObject({ code: 'ANNEAL_E_CONFIG' });
    writeFileSync(join(root, 'anneal.config.mjs'), config);
    expect(phasesOf(await dev.result()).every((phase) => phase.endsWith(' cached'))).toBe(true);

    // The data.
    edit(root, 'points.json', '"label":0', '"label":1');
    expect(phasesOf(await dev.result())).toEqual(['data', 'model', 'train', 'compress', 'evaluate', 'emit']);

    // Files that nothing depends on, results among them, change nothing.
    writeFileSync(join(root, 'notes.txt'), 'x');
    writeFileSync(join(root, 'dist', 'notes.txt'), 'x');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { code, stderr, lines } = await dev.stop('SIGINT');
    expect([code, stderr]).toEqual([0, '']);
    expect(lines.at(-1)).toMatchObject({ type: 'result' });
  });

  it('makes errors of what is deprecated when it is told to', async () => {
    const root = project();
    edit(
      root,
      'plugins/rounding.mjs',
      "name: 'rounding',",
      "name: 'rounding', deprecated: { since: '1', use: 'int8' },",
    );
    const dev = new Dev(root, ['--strict']);
    expect((await dev.until(of('error'))).at(-1)).toMatchObject({ code: 'ANNEAL_E_DEPRECATED' });
  });

  it('stops a build that a change makes useless, and starts over', async () => {
    const root = project();
    edit(root, 'anneal.config.mjs', 'epochs: 20', 'epochs: 20000');
    const dev = new Dev(root);
    await dev.until(of('step'));
    edit(root, 'anneal.config.mjs', 'epochs: 20000', 'epochs: 3');
    const lines = await dev.result();
    expect(lines.filter(of('change'))).toHaveLength(1);
    expect(lines.filter(of('error'))).toEqual([]);
    expect(phasesOf(lines)).toEqual([...cached(['data', 'model']), 'train', 'compress', 'evaluate', 'emit']);
  });

  it('ends at once when it is told to, with the training in its checkpoint', async () => {
    const root = project();
    edit(root, 'anneal.config.mjs', 'epochs: 20', 'epochs: 20000');
    const dev = new Dev(root);
    await dev.until(of('step'));
    const { code, signal, stderr } = await dev.stop('SIGTERM');
    expect([code, signal, stderr]).toEqual([0, null, '']);
    const cache = join(root, '.anneal', 'cache');
    expect(readdirSync(join(cache, 'checkpoints'))).toHaveLength(1);
    // Nobody is left that holds them.
    expect(readdirSync(join(cache, 'locks'))).toEqual([]);
  });
});
