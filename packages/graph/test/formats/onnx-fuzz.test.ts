import { readFileSync } from 'node:fs';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphError } from '../../src/error.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';
import { mutate } from './mutate.ts';

describe('random edits', () => {
  it.each(['names', 'branches', 'functions', 'tensors', 'external', 'attributes'])(
    'of %s are read, or refused with a code',
    async (name) => {
      const random = seededRandom(17);
      const original = new Uint8Array(readFileSync(new URL(`../fixtures/onnx/${name}.onnx`, import.meta.url)));
      const weights = memorySource(new Uint8Array(768), 'w.bin');
      let refused = 0;
      for (let round = 0; round < 700; round++) {
        const bytes = mutate(original, random);
        const result = await readOnnx(memorySource(bytes, 'm.onnx'), {
          external: () => Promise.resolve(weights),
        }).catch((error: unknown) => error);
        if (!(result instanceof Error)) continue;
        refused++;
        if (!(result instanceof GraphError)) throw result;
        expect(result.code).toMatch(/^ANNEAL_E_(FORMAT|OP|SHAPE|DTYPE)$/);
        expect(result.message).toMatch(/^(m\.onnx|w\.bin)/);
      }
      expect(refused).toBeGreaterThan(300);
    },
  );
});
