// Writes the project references of every tsconfig.json from the dependencies in package.json.
// Every package has a project for its tests even before there are any: a project with references may be empty.
// `--check` writes nothing and fails when a file would change.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packages, root } from './workspace.mjs';

const check = process.argv.includes('--check');
const all = packages();
const byName = new Map(all.map((pkg) => [pkg.manifest.name, pkg.dir]));
const isLibrary = (dir) => dir.startsWith('packages/');
const stale = [];

const up = (from, to) => {
  const path = relative(join(root, from), join(root, to)).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
};

const write = (file, value) => {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  const path = join(root, file);
  // Compared as data, so that line ends and spaces do not matter.
  if (existsSync(path) && JSON.stringify(JSON.parse(readFileSync(path, 'utf8'))) === JSON.stringify(value)) return;
  stale.push(file);
  if (check) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

const linked = (dir, ...fields) => {
  const { manifest } = all.find((pkg) => pkg.dir === dir);
  const names = new Set(fields.flatMap((field) => Object.keys(manifest[field] ?? {})));
  return [...names].flatMap((name) => byName.get(name) ?? []).filter((target) => isLibrary(target) && target !== dir);
};

const refs = (from, targets) => [...new Set(targets)].sort().map((target) => ({ path: up(from, target) }));
const projects = [];

for (const { dir } of all) {
  if (isLibrary(dir)) {
    write(`${dir}/tsconfig.json`, {
      extends: up(dir, 'tsconfig.base.json'),
      compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/tsconfig.tsbuildinfo' },
      include: ['src'],
      references: refs(dir, linked(dir, 'dependencies', 'peerDependencies', 'optionalDependencies')),
    });
    projects.push(dir);
    const test = `${dir}/test`;
    write(`${test}/tsconfig.json`, {
      extends: up(test, 'tsconfig.test.json'),
      compilerOptions: { rootDir: up(test, '.'), tsBuildInfoFile: '../dist/test.tsbuildinfo' },
      include: ['.'],
      references: refs(test, [dir, ...linked(dir, 'dependencies', 'peerDependencies', 'devDependencies')]),
    });
    projects.push(test);
  } else {
    write(`${dir}/tsconfig.json`, {
      extends: up(dir, 'tsconfig.test.json'),
      compilerOptions: { rootDir: up(dir, '.'), tsBuildInfoFile: 'node_modules/.cache/tsconfig.tsbuildinfo' },
      include: ['.'],
      exclude: ['node_modules', 'dist', '.anneal'],
      references: refs(dir, linked(dir, 'dependencies', 'devDependencies')),
    });
    projects.push(dir);
  }
}
write('tsconfig.json', { files: [], references: projects.map((path) => ({ path: `./${path}` })) });

if (stale.length === 0) console.log('project references are in sync');
else if (!check) console.log(`wrote ${stale.join(', ')}`);
else {
  console.error(`Out of date: ${stale.join(', ')}\nRun \`node scripts/sync-references.mjs\` and commit the result.`);
  process.exitCode = 1;
}
