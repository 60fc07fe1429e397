import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setupPlugin } from '@anneal/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';

import { BIAS_AUDIT_CODES, biasAudit, type BiasAuditOptions } from '../src/index.ts';
import { audit, GROUPS, namedRows, valuesOf } from './harness.ts';

const model = (): number => 0;
const rows = namedRows(4);

/** A folder with files, removed after the test. */
async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'anneal-bias-audit-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

const package_ = (name: string, code: string): Record<string, string> => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({
    name,
    version: '1.0.0',
    type: 'module',
    exports: './main.js',
  }),
  [`node_modules/${name}/main.js`]: code,
});

describe('sources of names', () => {
  const names = JSON.stringify(GROUPS.female);

  it('are packages and local modules that export a list or a function', async () => {
    const root = await folder({
      ...package_('list', `export default ${names};`),
      ...package_('@scope/call', `export default async () => ${JSON.stringify(GROUPS.male)};`),
      'names.mjs': `export default ${names};`,
    });
    for (const female of ['list', './names.mjs', GROUPS.female]) {
      const { section, dependencies } = await audit({
        rows: namedRows(40),
        model,
        root,
        options: { groups: { female, male: '@scope/call' } },
      });
      expect(valuesOf(section)['rowsWithNames']).toBe(40);
      // A package is known by its version, a module of the project by its contents.
      const own =
        female === 'list' ? ['node_modules/list/package.json'] : female === './names.mjs' ? ['names.mjs'] : [];
      expect(dependencies).toEqual([...own, 'node_modules/@scope/call/package.json'].map((path) => join(root, path)));
    }
  });

  it('are the lists of stdlib by default', async () => {
    const root = dirname(fileURLToPath(import.meta.url));
    const mails = ['Elizabeth', 'Gertrude', 'Michael', 'Robert'].map((name) => ({ text: `So ${name} wrote.` }));
    const { section, dependencies } = await audit({ rows: mails, model, root, options: { groups: undefined } });
    expect(valuesOf(section)['rowsWithNames']).toBe(4);
    expect(section.figures!['groups']).toMatchObject({
      rows: [
        ['female', 2],
        ['male', 2],
      ].map((row) => expect.arrayContaining(row)),
    });
    expect(dependencies).toHaveLength(2);
    for (const file of dependencies) expect(file).toMatch(/first-names-en[\\/]package\.json$/);
  });

  it('are looked for before anything is trained', async () => {
    const root = await folder({});
    const set = (female: string) => setupPlugin(biasAudit({ groups: { female, male: GROUPS.male } }), { root });
    await expect(set('@scope/missing/names')).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_MODULE_NOT_FOUND',
      message: `\`@scope/missing/names\` cannot be found from ${root}`,
      path: ['groups', 'female'],
      fix: 'install it: npm install @scope/missing',
    });
    await expect(set('./missing.js')).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_MODULE_NOT_FOUND',
      fix: 'check the path; it is relative to the config',
    });
    await expect(set('node:fs')).rejects.toMatchObject({ code: 'BIAS_AUDIT_E_MODULE_NOT_FOUND' });
  });

  it.each<[string, string, string]>([
    ['export default 3;', 'BIAS_AUDIT_E_MODULE_SHAPE', '`list` must give an array of strings, received number'],
    ['export default null;', 'BIAS_AUDIT_E_MODULE_SHAPE', '`list` must give an array of strings, received null'],
    [
      'export default ["Mary", 3];',
      'BIAS_AUDIT_E_MODULE_SHAPE',
      '`list` must give an array of strings, received an array whose element 1 is a number',
    ],
    [
      'export const names = [];',
      'BIAS_AUDIT_E_MODULE_SHAPE',
      '`list` must give an array of strings, received undefined',
    ],
    ['throw new Error("broken");', 'BIAS_AUDIT_E_MODULE_FAILED', '`list` failed: broken'],
    ['export default () => { throw "no"; };', 'BIAS_AUDIT_E_MODULE_FAILED', '`list` failed: no'],
  ])('%s is refused', async (code, errorCode, message) => {
    const root = await folder(package_('list', code));
    const options = { groups: { female: 'list', male: GROUPS.male } };
    await expect(audit({ rows, model, root, options })).rejects.toMatchObject({
      code: errorCode,
      message,
      plugin: 'bias-audit',
      path: ['groups', 'female'],
    });
  });

  it('need two names of their own', async () => {
    const options = { groups: { a: ['Xanra', 'Yosti'], b: ['Xanra', 'Zelko'] } };
    await expect(audit({ rows, model, options })).rejects.toMatchObject({ code: 'BIAS_AUDIT_E_GROUP' });
  });
});

describe('what cannot be audited', () => {
  it('other tasks', async () => {
    const task = { kind: 'regression', labels: undefined };
    await expect(audit({ rows, model, task })).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_TASK',
      message: 'only classifiers can be audited, received a task of kind `regression`',
    });
  });

  it.each<[readonly string[], string | undefined, string]>([
    [['ham', 'spam'], 'Spam', '`positiveLabel` must be one of "ham", "spam", received "Spam"'],
    [['a', 'b', 'c'], undefined, '`positiveLabel` must be one of "a", "b", "c", received nothing'],
  ])('a positive class that is none: %j, %j', async (labels, positiveLabel, message) => {
    await expect(audit({ rows, model, task: { labels }, options: { positiveLabel } })).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_LABEL',
      message,
      path: ['positiveLabel'],
    });
  });

  it('takes the positive class from the options', async () => {
    const { section } = await audit({
      rows: namedRows(30),
      model: (text) => (/Arila|Belona/.test(text) ? 3 : 0),
      options: { positiveLabel: 'ham', groups: { x: ['Arila', 'Belona'], y: ['Arbert', 'Baldor', 'Corwin'] } },
    });
    expect(valuesOf(section)['meanDelta']).toBeLessThan(-0.4);
  });

  it('a column without text', async () => {
    await expect(audit({ rows, model, options: { textColumn: 'body' } })).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_COLUMN',
      message: 'no row of the test split has text in `body`',
      fix: 'name one of the columns "id", "text", "label"',
    });
  });

  it.each<[number[], string]>([
    [[0, 1, 2], 'expected `logits` of 2 classes for a row, received 3 numbers'],
    [[Number.NaN, 0], 'the model gave NaN as a logit'],
    [[0, Number.POSITIVE_INFINITY], 'the model gave Infinity as a logit'],
  ])('a model that gives %j', async (logits, message) => {
    await expect(audit({ rows, model, outputs: () => logits })).rejects.toMatchObject({
      code: 'BIAS_AUDIT_E_OUTPUT',
      message,
    });
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const stopping = (): number => {
      controller.abort(new Error('stop'));
      return 0;
    };
    const run = audit({ rows: namedRows(300), model: stopping, signal: controller.signal });
    await expect(run).rejects.toThrow('stop');
  });
});

describe('options', () => {
  const refuse = (options: unknown) =>
    setupPlugin(biasAudit(options as BiasAuditOptions)).then(
      () => undefined,
      (error: unknown) => error,
    );

  it.each<[unknown, string]>([
    [{ groups: { a: ['Mary', 'Anna'] } }, 'two groups'],
    [{ groups: { a: ['Mary', 'Anna'], b: ['Peter'] } }, 'two names'],
    [{ groups: { a: ['Mary', 'Anna'], b: 3 } }, 'groups'],
    [{ probeTemplate: 'Dear friend,' }, '{name}'],
    [{ probeTemplate: '{name} {name}' }, '{name}'],
    [{ swapsPerRow: 0 }, 'swapsPerRow'],
    [{ maxRows: 1.5 }, 'maxRows'],
    [{ bootstrapSamples: 10 }, 'bootstrapSamples'],
    [{ replacements: 'sene' }, 'replacements'],
    [{ swaps: 3 }, 'swaps'],
  ])('%j are refused', async (options, text) => {
    const error = await refuse(options);
    expect(error).toMatchObject({ code: 'ANNEAL_E_OPTIONS' });
    expect(`${(error as Error).message} ${JSON.stringify(error)}`).toContain(text);
  });
});

it('every code has an explanation', () => {
  for (const [code, text] of Object.entries(BIAS_AUDIT_CODES)) {
    expect(code).toMatch(/^BIAS_AUDIT_E_[A-Z_]+$/);
    expect(text).toMatch(/^[a-z]/);
  }
});
