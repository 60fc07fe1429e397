import process from 'node:process';

import { main } from './main.ts';
import { loadAsker } from './terminal.ts';

process.exitCode = await main(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  asker: loadAsker(process),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
