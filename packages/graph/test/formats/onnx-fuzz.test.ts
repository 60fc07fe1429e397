import { readFileSync } from 'node:fs';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphError } from '../../src/error.ts';
import { canonicalize } from '../../src/canonicalize/canonicalize.ts';
import { describeGraph } from '../../src/describe/describe.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import { memorySource } from '../../src/formats/source.ts';
import { mutate, mutateModel } from './mutate.ts';

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

  it('of messages are read, described, rewritten and written, or refused with a code', async () => {
    const weights = memorySource(new Uint8Array(768), 'w.bin');
    const models = ['names', 'branches', 'functions', 'constants', 'attributes', 'overloads', 'order'].map(
      (name) => new Uint8Array(readFileSync(new URL(`../fixtures/onnx/${name}.onnx`, import.meta.url))),
    );
    const before = process.memoryUsage().rss;
    let refused = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const random = seededRandom(seed);
      const bytes = mutateModel(models[seed % models.length]!, random);
      const source = memorySource(bytes, 'm.onnx');
      const result = await readOnnx(source, { external: () => Promise.resolve(weights) })
        .then(async (graph) => {
          describeGraph(graph);
          await writeOnnx(canonicalize(graph).graph);
        })
        .catch((error: unknown) => error);
      if (!(result instanceof Error)) continue;
      refused++;
      if (!(result instanceof GraphError)) throw new Error(`seed ${seed}`, { cause: result });
    }
    expect(refused).toBeGreaterThan(500);
    // No edit makes a file of a few KB take more memory than that.
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
  });
});
