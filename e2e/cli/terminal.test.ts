import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { hasTmux, show, type Shown } from './terminal.ts';

const cli = `${process.execPath} ${join(import.meta.dirname, '../../packages/cli/bin/anneal.js')}`;
/** A build of a second: everything that a terminal shows comes by. */
const plugin = `
const pass = { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } };
const rows = Array.from({ length: 8 }, (_, i) => ({ text: 'row ' + i, label: i % 2 }));
const wait = (ms) => new Promise((resume) => setTimeout(resume, ms));
const own = { name: 'own', version: '1.0.0', before: [], after: [], options: {}, schema: pass, [Symbol.for('anneal.plugin')]: true,
  setup(api) {
    api.hooks.data.resolveDataset.tap(async (ctx) => {
      ctx.logger.info('reading all the rows of a source whose name is rather long, so that the line has to be broken somewhere');
      const bar = ctx.progress('reading rows', 8);
      for (let i = 1; i <= 8; i++) { bar.update(i, 'row ' + i); await wait(60); }
      bar.done();
      return { splits: { train: rows, test: rows }, report: { rowsIn: 16, dropped: {}, samples: [], splits: { train: 8, test: 8 } } };
    });
    api.hooks.data.afterDataset.tap((_, ctx) => ctx.logger.warn('These rows were made up'));
    api.hooks.data.resolveTask.tap(() => { throw api.error('OWN_E_TASK', 'no task can be made of rows that were made up, received 8 rows', { fix: 'use data that somebody collected, and say where it comes from' }); });
  } };
export default { name: 'looks', plugins: [own] };`;

// Needs a terminal: `apt-get install tmux`.
describe.skipIf(!hasTmux)('in a real terminal (skipped where there is no tmux)', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-terminal-'));
    await writeFile(join(folder, 'anneal.config.mjs'), plugin);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const run = (args: string, columns: number, env?: Readonly<Record<string, string>>): Promise<Shown> =>
    show(`${cli} ${args}`, { columns, cwd: folder, env });
  /** Lines that the terminal itself broke, as it does at its last column: words are cut in two there. */
  const full = ({ lines }: Shown, columns: number): readonly string[] =>
    lines.filter((line, i) => line.length === columns && !/\s$/.test(line) && /^\S/.test(lines[i + 1] ?? ''));

  it.each([60, 160])('%d columns: no word is cut in two', async (columns) => {
    for (const args of [
      '--help',
      'build --help',
      'biuld',
      'build --set train.epohcs=1',
      'plan',
      'inspect config',
      'inspect hooks',
      'inspect plugins',
      'doctor',
    ]) {
      const shown = await run(args, columns);
      expect(shown.lines.length, args).toBeGreaterThan(1);
      expect(full(shown, columns), `${args}\n${shown.lines.join('\n')}`).toEqual([]);
    }
  });

  it.each([60, 160])('%d columns: a build leaves its lines and no bars', async (columns) => {
    const { lines, painted } = await run(`build --set cacheDir=cache${columns}`, columns);
    const text = lines.join('\n');
    expect(text).toContain('! These rows were made up');
    expect(text.replaceAll(/\s+/g, ' ')).toContain('so that the line has to be broken somewhere');
    expect(text.replaceAll(/\s+/g, ' ')).toContain('fix use data that somebody collected, and say where it comes from');
    expect(text).not.toMatch(/[━─⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/);
    expect(painted).toContain('\u001b[3');
    // What was drawn before an error is gone, whatever its height was.
    expect(text).not.toMatch(/\n\n\n/);
  });

  it('has no colours where none are wanted', async () => {
    for (const args of ['--help', 'doctor', 'biuld', 'plan']) {
      const { painted } = await run(args, 80, { NO_COLOR: '1' });
      // eslint-disable-next-line no-control-regex
      expect(painted, args).not.toMatch(/\u001b\[\d/);
    }
  });

  it('draws nothing over where nobody looks, and nothing but JSON on stdout where it is wanted', () => {
    const bytes = (...args: string[]): { out: string; err: string } => {
      try {
        const out = execFileSync('sh', ['-c', `${cli} ${args.join(' ')} 2>err`], { cwd: folder, encoding: 'utf8' });
        return { out, err: '' };
      } catch (error) {
        const { stdout } = error as { stdout: string };
        return { out: stdout, err: execFileSync('cat', ['err'], { cwd: folder, encoding: 'utf8' }) };
      }
    };
    const piped = bytes('build', '--set cacheDir=cache2');
    // eslint-disable-next-line no-control-regex
    expect(piped.out + piped.err).not.toMatch(/[\u001b\r]/);
    expect(piped.err).toContain('OWN_E_TASK');
    const { out } = bytes('build', '--json', '--set cacheDir=cache3');
    const events = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'OWN_E_TASK' });
    expect(events.some(({ type }) => type === 'progress')).toBe(true);
  });
});
