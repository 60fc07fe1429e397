// Writes the adapters of packages/plugins/lora as this project writes them, for PEFT to read:
//
//   node --conditions=@anneal/source --import ./scripts/source.mjs tools/goldens/lora/make.ts
//
// then make.py.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { bert, CASES, FIXTURES, setUp, trained } from '../../../packages/plugins/lora/test/bert.ts';

for (const [name, options] of Object.entries(CASES)) {
  const { adapt, emit } = await setUp(options);
  const folder = join(FIXTURES, name);
  await mkdir(folder, { recursive: true });
  for (const [path, data] of await emit(await trained(await adapt(await bert())))) {
    await writeFile(join(folder, basename(path)), data);
  }
}
