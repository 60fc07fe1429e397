import { isAnnealError, type Row, type Sample } from '@anneal/core';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { encodeDocument, IGNORED, packSamples } from '../src/samples.ts';

const EOS = 0;

function sampleOf(ids: readonly number[], extra: Sample['features'] = {}, row: Row = {}): Sample {
  return { row, features: { input_ids: ids, ...extra } };
}

const encoded = (ids: readonly number[], row: Row = {}): Sample =>
  encodeDocument(sampleOf(ids, {}, row), { eos: EOS, completionOnly: undefined });

const numbers = (sample: Sample, name: string): number[] => Array.from(sample.features[name] as Int32Array);

describe('a document', () => {
  it('ends with the end token once, and every token has the next one as its label', () => {
    for (const ids of [
      [5, 6, 7],
      [5, 6, 7, EOS],
    ]) {
      const sample = encoded(ids);
      expect(numbers(sample, 'input_ids')).toEqual([5, 6, 7, EOS]);
      expect(numbers(sample, 'attention_mask')).toEqual([1, 1, 1, 1]);
      expect(numbers(sample, 'labels')).toEqual([6, 7, EOS, IGNORED]);
    }
  });

  it('stays as it is when the tokenizer knows no end', () => {
    const sample = encodeDocument(sampleOf([5, 6]), { eos: undefined, completionOnly: undefined });
    expect(numbers(sample, 'input_ids')).toEqual([5, 6]);
    expect(numbers(sample, 'labels')).toEqual([6, IGNORED]);
  });

  it.each([
    [undefined, [IGNORED, 8, 9, EOS, IGNORED]],
    [true, [IGNORED, 8, 9, EOS, IGNORED]],
    [false, [7, 8, 9, EOS, IGNORED]],
  ])('of prompt and completion: with completionOnlyLoss %s', (completionOnly, labels) => {
    const pair = sampleOf([6, 7, 8, 9], { token_type_ids: [0, 0, 1, 1] });
    const sample = encodeDocument(pair, { eos: EOS, completionOnly });
    expect(numbers(sample, 'input_ids')).toEqual([6, 7, 8, 9, EOS]);
    expect(numbers(sample, 'labels')).toEqual(labels);
  });

  it('must be tokenised', () => {
    const encode = (): unknown => encodeDocument({ row: {}, features: { words: 3 } }, { eos: 0, completionOnly: true });
    expect(encode).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_DATA', message: 'a sample has no `input_ids`, received words' }),
    );
  });
});

describe('packing', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('loses no token and keeps their order: seed %i', (seed) => {
    const next = seededRandom(seed);
    const documents = Array.from({ length: 1 + Math.floor(next() * 9) }, (_, i) =>
      encoded(
        Array.from({ length: Math.floor(next() * 12) }, () => 1 + Math.floor(next() * 90)),
        { i },
      ),
    );
    const blockSize = 2 + Math.floor(next() * 9);
    const all = documents.flatMap((sample) => numbers(sample, 'input_ids'));
    const blocks = packSamples(documents, { packing: true, blockSize, maxLength: 64 });
    const packed = blocks.flatMap((sample) => numbers(sample, 'input_ids'));
    // One token that is left over has nothing to predict.
    expect(packed).toEqual(all.length % blockSize === 1 ? all.slice(0, -1) : all);
    const ends = documents.map((_, i) =>
      documents.slice(0, i + 1).reduce((sum, sample) => sum + numbers(sample, 'input_ids').length, 0),
    );
    blocks.forEach((block, i) => {
      const ids = numbers(block, 'input_ids');
      if (i < blocks.length - 1) expect(ids).toHaveLength(blockSize);
      expect(numbers(block, 'labels')).toEqual([...ids.slice(1), IGNORED]);
      expect(numbers(block, 'attention_mask')).toEqual(ids.map(() => 1));
      expect(block.row).toEqual({ i: ends.findIndex((end) => end > i * blockSize) });
    });
  });

  it('keeps what does not count across the border of documents', () => {
    const pair = sampleOf([6, 7, 8], { token_type_ids: [0, 0, 1] });
    const documents = [pair, pair].map((sample) => encodeDocument(sample, { eos: EOS, completionOnly: undefined }));
    const [block] = packSamples(documents, { packing: true, maxLength: 64 });
    expect(numbers(block!, 'input_ids')).toEqual([6, 7, 8, EOS, 6, 7, 8, EOS]);
    expect(numbers(block!, 'labels')).toEqual([IGNORED, 8, EOS, IGNORED, IGNORED, 8, EOS, IGNORED]);
  });

  it('off makes a sample of every document, cut without an end that it does not have', () => {
    const documents = [encoded([1, 2, 3, 4, 5]), encoded([1, 2])];
    const samples = packSamples(documents, { packing: false, maxLength: 4 });
    expect(samples.map((sample) => numbers(sample, 'input_ids'))).toEqual([
      [1, 2, 3, 4],
      [1, 2, EOS],
    ]);
    expect(numbers(samples[0]!, 'labels')).toEqual([2, 3, 4, IGNORED]);
  });

  it('is 1024 tokens a block unless the model takes fewer', () => {
    const documents = [encoded(Array.from({ length: 3000 }, () => 1))];
    const lengths = (maxLength: number): number[] =>
      packSamples(documents, { packing: true, maxLength }).map((sample) => numbers(sample, 'input_ids').length);
    expect(lengths(8192)).toEqual([1024, 1024, 953]);
    expect(lengths(2000)).toEqual([1024, 1024, 953]);
    expect(lengths(1000)).toEqual([1000, 1000, 1000]);
    expect(packSamples([], { packing: true, maxLength: 8 })).toEqual([]);
  });

  it('refuses blocks that the model does not take', () => {
    const pack = (): unknown => packSamples([], { packing: true, blockSize: 65, maxLength: 64 });
    try {
      pack();
      expect.unreachable();
    } catch (error) {
      expect(isAnnealError(error) && [error.code, error.message, error.path]).toEqual([
        'ANNEAL_E_OPTIONS',
        '`blockSize` must be at most 64, which the model and `train.maxLength` allow, received 65',
        ['blockSize'],
      ]);
    }
  });
});
