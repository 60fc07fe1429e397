// `pnpm release --dry-run`: build, pack every public package, look into every tarball. Without `--dry-run` the tarballs
// are published when nothing is wrong with any of them.
//   --repository <url>  where the sources live, for provenance; of a CI that says so when absent
//   --out <folder>      where the tarballs go (default: .cache/release)
// What follows `--` goes to npm.
import { statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkTarball } from './release/check.mjs';
import { packAll } from './release/pack.mjs';
import { publish } from './release/publish.mjs';
import { repositoryOf } from './release/repository.mjs';
import { build, root } from './workspace.mjs';

const { values, positionals } = parseArgs({
  options: { 'dry-run': { type: 'boolean' }, repository: { type: 'string' }, out: { type: 'string' } },
  allowPositionals: true,
});

async function release() {
  if (build() !== 0) return 1;
  const repository = values.repository ?? repositoryOf(process.env);
  const folder = resolve(values.out ?? join(root, '.cache', 'release'));
  const packed = packAll(folder, { repository });
  let failed = 0;
  for (const { name, version, file } of packed) {
    const problems = await checkTarball(file);
    failed += problems.length;
    const size = `${(statSync(file).size / 1000).toFixed(0)} kB`;
    console.log(`${problems.length === 0 ? '✓' : '✗'} ${name}@${version}  ${size}`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
  if (failed > 0) return 1;
  console.log(`${packed.length} tarballs in ${relative(process.cwd(), folder) || '.'}`);
  if (repository === undefined) {
    console.log('without --repository they carry no repository, and registries refuse provenance for them');
  }
  if (values['dry-run']) return 0;
  if (repository === undefined) return 1;
  const sent = publish(packed, positionals);
  console.log(sent.length === 0 ? 'nothing to publish' : `published ${sent.join(', ')}`);
  return 0;
}

process.exitCode = await release();
