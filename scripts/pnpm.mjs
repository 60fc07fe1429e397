// Runs the pnpm version that package.json pins, through npx: corepack would fetch from outside the npm registry.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/**
 * @param {string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 * @returns {number} the exit code
 */
export function pnpm(args, options = {}) {
  const { status, error } = spawnSync('npx', ['--yes', manifest.packageManager, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
    ...options,
  });
  if (error) console.error(`Cannot start npx: ${error.message}`);
  return status ?? 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = pnpm(process.argv.slice(2), { stdio: 'inherit' });
