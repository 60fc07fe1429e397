import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { broken } from '../release/rules.mjs';
import { repositoryOf } from '../release/repository.mjs';
import { versionOf, withVersion } from '../release/version.mjs';
import { packages, root, walk } from '../workspace.mjs';

const MANIFEST = {
  name: '@anneal/plugin-x',
  version: '0.1.0',
  description: 'x',
  license: 'MIT',
  author: 'x',
  engines: { node: '>=20' },
  keywords: ['anneal', 'anneal-plugin'],
  files: ['dist', 'src', '!**/*.tsbuildinfo'],
  exports: { '.': { types: './dist/plugin.d.ts', default: './dist/plugin.js' }, './package.json': './package.json' },
  dependencies: { valibot: '^1.5.0' },
  peerDependencies: { '@anneal/core': '>=0.1.0 <1.0.0' },
  publishConfig: { access: 'public', provenance: true },
  anneal: { plugin: true },
};
const TEXTS = {
  'README.md': '',
  LICENSE: '',
  'src/plugin.ts': "definePlugin({\n  name: 'x',\n  version: '0.1.0',\n})",
  'dist/plugin.js': '',
  'dist/plugin.js.map': '{"sources":["../src/plugin.ts"]}',
  'dist/plugin.d.ts': '',
  'dist/plugin.d.ts.map': '{"sources":["../src/plugin.ts"]}',
};

/** A tarball that is right but for the given fields and files; `undefined` leaves a file out. */
function contents(fields = {}, texts = {}) {
  const manifest = { ...MANIFEST, ...fields };
  const all = { ...TEXTS, 'package.json': JSON.stringify(manifest), ...texts };
  const files = Object.keys(all).filter((path) => all[path] !== undefined);
  return { manifest, files, read: (path) => all[path], root: '/home/me/anneal', own: ['@anneal/core'] };
}

describe('a tarball', () => {
  it('that is right', () => {
    expect(broken(contents())).toEqual([]);
  });

  it.each([
    [{}, { LICENSE: undefined }, 'not has what readers and licences need: LICENSE is missing'],
    [{ description: '' }, {}, 'no `description`'],
    [{ dependencies: { valibot: 'catalog:' } }, {}, 'dependencies: valibot is catalog:'],
    [{ dependencies: { '@anneal/graph': 'workspace:*' } }, {}, 'dependencies: @anneal/graph is workspace:*'],
    [
      { exports: { '.': { '@anneal/source': './src/plugin.ts', default: './dist/plugin.js' } } },
      {},
      'condition @anneal/source',
    ],
    [{ exports: './dist/other.js' }, {}, 'dist/other.js is exported and not there'],
    [{ bin: { x: './bin/x.js' } }, {}, 'bin/x.js is exported and not there'],
    [{}, { 'notes.md': '' }, 'notes.md leaked'],
    [{}, { 'src/test/x.test.ts': '' }, 'src/test/x.test.ts leaked'],
    [{}, { 'dist/tsconfig.tsbuildinfo': '' }, 'dist/tsconfig.tsbuildinfo leaked'],
    [{}, { 'dist/.env': '' }, 'dist/.env leaked'],
    [{}, { 'dist/plugin.d.ts': undefined }, 'dist/plugin.d.ts is missing'],
    [{}, { 'dist/old.js': '' }, 'dist/old.js has no source'],
    [{}, { 'dist/plugin.js.map': '{"sources":["../src/gone.ts"]}' }, 'dist/plugin.js.map names src/gone.ts'],
    [{}, { 'dist/plugin.js': 'import "/home/me/anneal/x.js"' }, 'dist/plugin.js contains /home/me/anneal'],
    [{ version: '0.2.0' }, {}, 'src/plugin.ts says 0.1.0'],
    [{ scripts: { postinstall: 'x' } }, {}, 'script postinstall'],
    [{ peerDependencies: { '@anneal/core': '^0.1.0' } }, {}, 'peer @anneal/core is ^0.1.0'],
    [{ publishConfig: { access: 'public' } }, {}, 'publishConfig.provenance is not true'],
    [{ publishConfig: { provenance: true } }, {}, 'publishConfig.access is not public'],
    [{ keywords: ['anneal'] }, {}, 'a plugin without the keyword `anneal-plugin`'],
  ])('%j %j', (fields, texts, problem) => {
    expect(broken(contents(fields, texts)).join('\n')).toContain(problem);
  });

  it('may have tests in templates', () => {
    const files = ['dist', 'src', 'templates'];
    expect(broken(contents({ files }, { 'templates/plugin/test/x.test.ts': '' }))).toEqual([]);
  });
});

it.each([
  [{ GITHUB_SERVER_URL: 'https://host.test', GITHUB_REPOSITORY: 'a/b' }, 'git+https://host.test/a/b.git'],
  [{ CI_PROJECT_URL: 'https://host.test/a/b' }, 'git+https://host.test/a/b.git'],
  [{}, undefined],
])('the repository of %j', (env, url) => {
  expect(repositoryOf(env)).toBe(url);
});

it('the version in a source', () => {
  const source = "definePlugin({\n  name: 'x',\n  version: '0.1.0',\n  options: v.object({ version: '9' }),\n})";
  expect(versionOf(source)).toBe('0.1.0');
  expect(versionOf(withVersion(source, '0.2.0'))).toBe('0.2.0');
  expect(withVersion(source, '0.2.0').replace('0.2.0', '0.1.0')).toBe(source);
  expect(versionOf('export {};')).toBeUndefined();
});

describe('changesets', () => {
  const folder = join(root, '.changeset');
  const pending = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const names = packages().map(({ manifest }) => manifest.name);

  it.each(pending)('%s is one short sentence about packages that exist', (name) => {
    const [, head = '', text = ''] = readFileSync(join(folder, name), 'utf8').split(/^---$/m);
    const about = [...head.matchAll(/^['"](.+)['"]: (?:patch|minor|major)$/gm)].map(([, pkg]) => pkg);
    expect(about.length).toBeGreaterThan(0);
    expect(about.filter((pkg) => !names.includes(pkg))).toEqual([]);
    expect(text.trim()).toMatch(/^[A-Z`][^\n]{1,79}$/);
  });
});

/** What versioning needs of this workspace, in a folder of its own. */
function copy() {
  const to = mkdtempSync(join(tmpdir(), 'anneal-version-'));
  onTestFinished(() => rmSync(to, { recursive: true, force: true }));
  const files = [
    'package.json',
    'pnpm-workspace.yaml',
    '.changeset/config.json',
    ...[...walk(join(root, 'scripts'))].map((file) => file.slice(root.length + 1)),
    ...packages().flatMap(({ dir }) => [`${dir}/package.json`, `${dir}/src/plugin.ts`]),
  ];
  for (const file of files) {
    try {
      const text = readFileSync(join(root, file));
      mkdirSync(dirname(join(to, file)), { recursive: true });
      writeFileSync(join(to, file), text);
    } catch (error) {
      // Not every package is a plugin.
      if (error.code !== 'ENOENT') throw error;
    }
  }
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'));
  const read = (file) => readFileSync(join(to, file), 'utf8');
  const edit = (file, change) => writeFileSync(join(to, file), change(read(file)));
  const run = () => spawnSync(process.execPath, [join(to, 'scripts/release/version.mjs')], { cwd: to });
  const write = (file, text) => writeFileSync(join(to, file), text);
  return { read, edit, run, write };
}

const version = (text) => JSON.parse(text).version;
const LABEL = 'packages/plugins/label-smoothing';

/** What a minor release of core and of a plugin does to everything else. */
function release(prepare = () => undefined) {
  const files = copy();
  files.write(
    '.changeset/a.md',
    "---\n'@anneal/core': minor\n'@anneal/plugin-lora': patch\n---\n\nDo something new.\n",
  );
  prepare(files);
  expect(files.run().status).toBe(0);
  return files;
}

describe('versions', () => {
  it('of a minor core are no major of its plugins', () => {
    const { read } = release();
    const before = version(readFileSync(join(root, 'packages/core/package.json'), 'utf8'));
    const minor = `0.${Number(before.split('.')[1]) + 1}.0`;
    expect(version(read('packages/core/package.json'))).toBe(minor);
    const versions = packages().map(({ dir }) => version(read(`${dir}/package.json`)));
    expect(versions.filter((each) => !each.startsWith('0.'))).toEqual([]);
    expect(version(read(`${LABEL}/package.json`))).toBe(
      version(readFileSync(join(root, LABEL, 'package.json'), 'utf8')),
    );
    expect(read('packages/core/CHANGELOG.md')).toBe(
      `# @anneal/core\n\n## ${minor}\n\n### Minor Changes\n\n- Do something new.\n`,
    );
    expect(read('packages/cli/CHANGELOG.md')).toMatch(new RegExp(`^- Take .*@anneal/core ${minor}`, 'm'));
    // What it writes into new projects are the versions of its own release.
    expect(read('packages/create/CHANGELOG.md')).toContain('- Take the newest versions in templates.\n');
    const lora = version(read('packages/plugins/lora/package.json'));
    expect(versionOf(read('packages/plugins/lora/src/plugin.ts'))).toBe(lora);
  });

  it('would be, were the peer a caret below 1.0', () => {
    const { read } = release(({ edit }) =>
      edit(`${LABEL}/package.json`, (text) => text.replace(/workspace:>=[^"]+/, 'workspace:^0.1.0')),
    );
    expect(version(read(`${LABEL}/package.json`))).toBe('1.0.0');
  });
});
