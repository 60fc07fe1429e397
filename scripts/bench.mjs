// `pnpm bench <name> [args]`: runs benchmarks/<name>.ts from source. Node 20 cannot strip types, so source.mjs does.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './workspace.mjs';

const [name, ...args] = process.argv.slice(2);
const folder = join(root, 'benchmarks');
const source = new URL('./source.mjs', import.meta.url).href;
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .map((file) => file.slice(0, -'.ts'.length));

if (name === undefined || !names.includes(name)) {
  console.error(`Usage: pnpm bench <name> [args]\nBenchmarks: ${names.join(', ') || 'none yet'}`);
  process.exitCode = 2;
} else if (!existsSync(join(root, 'node_modules', 'tsx'))) {
  console.error('Dependencies are missing: run `npm run setup`.');
  process.exitCode = 2;
} else {
  const { status } = spawnSync(
    process.execPath,
    ['--conditions=@anneal/source', '--import', source, join(folder, `${name}.ts`), ...args],
    { cwd: root, stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
}
