// `pnpm bench startup [--cwd <project>] [--runs 11] [--json]`: how long the built command takes where it has nothing to do:
// `--version`, `--help`, and with a project that was built before `plan` and `build`. Wall time of whole processes, beside that
// of Node with an empty script.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const command = fileURLToPath(new URL('../packages/cli/bin/anneal.js', import.meta.url));
const runs = Number(option('--runs') ?? 11);
const project = option('--cwd');
const cwd = resolve(project ?? '.');

/** Seconds of each run, shortest first. */
function time(args: readonly string[]): readonly number[] {
  const taken = Array.from({ length: runs }, () => {
    const start = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return performance.now() - start;
  });
  return taken.toSorted((a, b) => a - b);
}

const cases: Readonly<Record<string, readonly string[]>> = {
  'node -e ""': ['-e', ''],
  'anneal --version': [command, '--version'],
  'anneal --help': [command, '--help'],
  ...(project !== undefined && {
    'anneal plan': [command, 'plan', '--quiet'],
    'anneal build': [command, 'build', '--quiet'],
  }),
};
const results = Object.entries(cases).map(([name, args]) => {
  const taken = time(args);
  return { name, median: taken[runs >> 1] as number, best: taken[0] as number };
});
if (process.argv.includes('--json')) console.log(JSON.stringify(results, undefined, 2));
else {
  for (const { name, median, best } of results) {
    console.log(
      `${name.padEnd(18)} median ${median.toFixed(0).padStart(5)} ms, best ${best.toFixed(0).padStart(5)} ms`,
    );
  }
}
