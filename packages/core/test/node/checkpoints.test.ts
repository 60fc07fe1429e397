import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLogger, type LogEntry } from '@anneal/core';
import { tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { checkpointFile } from '../../src/node/checkpoints.ts';
import type { Checkpoint } from '../../src/train/checkpoint.ts';
import { failure, folder } from '../tiny/build.ts';

const state = {
  'param:w': tensor('float32', [2, 2], [1, -0, Number.NaN, 3.4e38]),
  'opt:w:m': tensor('float32', [], [5]),
};
const best = { 'param:w': tensor('float32', [2, 2], [4, 3, 2, 1]) };
const progress = { step: 7, curve: [{ loss: 0.1 }], name: 'ä' };

function setup() {
  const path = join(folder(), 'checkpoints', 'key.safetensors');
  const logs: LogEntry[] = [];
  return {
    path,
    logs,
    store: checkpointFile(
      path,
      createLogger((entry) => logs.push(entry)),
    ),
  };
}

describe('a checkpoint', () => {
  it.each([best, undefined])('comes back to the bit', async (kept) => {
    const { store, path, logs } = setup();
    expect(await store.read()).toBeUndefined();
    await store.write<unknown>({ progress: { step: 1 }, state: best, best: undefined });
    await store.write<unknown>({ progress, state, best: kept });
    expect(await store.read()).toEqual({ progress, state, best: kept });
    expect(readdirSync(join(path, '..'))).toEqual(['key.safetensors']);
    await store.remove();
    await store.remove();
    expect(await store.read()).toBeUndefined();
    expect(logs).toEqual([]);
  });

  it('with any byte changed is said, and not used', async () => {
    const { store, path, logs } = setup();
    await store.write<unknown>({ progress, state, best });
    const whole = readFileSync(path);
    let unharmed = 0;
    for (let at = 0; at < whole.length; at += 7) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 4;
      writeFileSync(path, bytes);
      const before = logs.length;
      const found = await store.read();
      // A change of the header may leave everything as it was, e.g. a space that became a tab.
      if (found === undefined)
        expect(logs.slice(before)).toMatchObject([
          { level: 'warn', message: expect.stringContaining('training starts over') },
        ]);
      else {
        expect(found).toEqual({ progress, state, best });
        unharmed++;
      }
    }
    expect(unharmed).toBeLessThan(whole.length / 7 / 10);
  });

  it('cut short anywhere is said, and not used', async () => {
    const { store, path, logs } = setup();
    await store.write<unknown>({ progress, state, best });
    for (let size = statSync(path).size - 1; size >= 0; size -= 13) {
      truncateSync(path, size);
      expect(await store.read()).toBeUndefined();
      expect(logs.pop()).toMatchObject({ level: 'warn' });
    }
    const again: Checkpoint<unknown> = { progress, state, best };
    await store.write(again);
    expect(await store.read()).toEqual(again);
  });

  it('that cannot be written is told with its reason', async () => {
    const root = folder();
    writeFileSync(join(root, 'checkpoints'), '');
    const store = checkpointFile(
      join(root, 'checkpoints', 'key.safetensors'),
      createLogger(() => undefined),
    );
    expect(await failure(store.write({ progress, state, best }))).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: expect.stringContaining('a file is in the way'),
    });
  });
});
