// `npm run demo`: install, build, run the main job. Install and build cost nothing when nothing changed.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build, install, root } from './workspace.mjs';

function demo() {
  for (const step of [install, build]) {
    const code = step();
    if (code !== 0) return code;
  }
  const command = join(root, 'packages', 'cli', 'dist', 'bin.js');
  const { status, signal } = spawnSync(process.execPath, [command, 'build', ...process.argv.slice(2)], {
    cwd: join(root, 'examples', 'mail-filter'),
    stdio: 'inherit',
  });
  return status ?? (signal === 'SIGINT' ? 130 : 1);
}

// Ctrl-C reaches the command as well; it needs this process to wait while it writes its checkpoint.
process.on('SIGINT', () => {});
process.exitCode = demo();
