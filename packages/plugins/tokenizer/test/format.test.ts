import { AnnealError } from '@anneal/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';

import {
  defineTokenizer,
  readTokenizer,
  specialTokensOf,
  Tokenizer,
  TOKENIZER_CODES,
  toTokenizerConfig,
  toTokenizerJson,
  trainBpe,
  type DefineOptions,
  type TokenizerDefinition,
} from '../src/index.ts';
import { random, randomText } from './random.ts';

function corpus(seed: number): string[] {
  const next = random(seed);
  return Array.from({ length: 120 }, () => randomText(next, 80));
}

function trained(options: DefineOptions = {}): TokenizerDefinition {
  const specialTokens = specialTokensOf(options);
  return defineTokenizer(trainBpe(corpus(11), { ...options, specialTokens, vocabSize: 900 }), options);
}

function files(definition: TokenizerDefinition): [json: string, config: string] {
  return [JSON.stringify(toTokenizerJson(definition)), JSON.stringify(toTokenizerConfig(definition))];
}

function huggingFace(definition: TokenizerDefinition): HuggingFaceTokenizer {
  const [json, config] = files(definition);
  return new HuggingFaceTokenizer(JSON.parse(json) as object, JSON.parse(config) as object);
}

const BERT: DefineOptions = { template: '[CLS] $A [SEP]', pairTemplate: '[CLS] $A [SEP] $B:1 [SEP]:1' };

describe('toTokenizerJson', () => {
  it.each<[string, DefineOptions]>([
    ['the defaults', {}],
    ['the templates of BERT', BERT],
    ['the tokens of GPT-2', { roles: { eos: '<|endoftext|>', pad: '<|endoftext|>' } }],
    ['NFKC and lower case', { normalization: 'NFKC', lowercase: true }],
    ['individual digits', { individualDigits: true, extraTokens: ['<a b>', '(', 'é$'] }],
  ])('is read by @huggingface/tokenizers to the same 500 encodings, with %s', (_, options) => {
    const definition = trained(options);
    const ours = new Tokenizer(definition);
    const theirs = huggingFace(definition);
    const next = random(12);
    for (let i = 0; i < 500; i++) {
      const text = randomText(next, 40);
      const pair = i % 5 === 0 ? `${randomText(next, 40)}.` : undefined;
      const expected = theirs.encode(text, { text_pair: pair ?? null, return_token_type_ids: true });
      const { ids, typeIds } = ours.encode(text, { pair });
      expect({ text, ids: [...ids], typeIds: [...typeIds] }).toEqual({
        text,
        ids: expected.ids,
        typeIds: expected.token_type_ids,
      });
      if (ids.length > 0) expect(ours.decode(ids)).toBe(theirs.decode([...ids], { skip_special_tokens: true }));
    }
  });

  it('is read alike with a prefix space, but for the white space that JavaScript sees differently', () => {
    const definition = trained({ addPrefixSpace: true });
    const ours = new Tokenizer(definition);
    const theirs = huggingFace(definition);
    const next = random(14);
    for (let i = 0; i < 200; i++) {
      const text = randomText(next, 40).replaceAll(/[\u0085\ufeff]/g, '');
      expect([...ours.encode(text).ids]).toEqual(theirs.encode(text).ids);
    }
  });

  it('keeps tokens that are names of object properties', () => {
    const definition = trained();
    const odd = { ...definition, tokens: [...definition.tokens, 'constructor', '__proto__', 'toString', '12'] };
    expect(readTokenizer(...files(odd)).tokens).toEqual(odd.tokens);
  });
});

describe('toTokenizerConfig', () => {
  it('says what transformers needs to know', () => {
    const config = toTokenizerConfig(trained({ maxLength: 128, extraTokens: ['<extra>'] }));
    expect(config).toMatchObject({
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_max_length: 128,
      clean_up_tokenization_spaces: false,
      model_input_names: ['input_ids', 'attention_mask'],
      pad_token: '[PAD]',
      cls_token: '[CLS]',
      additional_special_tokens: ['<extra>'],
    });
    expect(Object.keys(config['added_tokens_decoder'] as object)).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(toTokenizerConfig(trained(), { modelInputNames: ['input_ids'] })['model_input_names']).toEqual([
      'input_ids',
    ]);
    expect(toTokenizerConfig(trained())).not.toHaveProperty('model_max_length');
  });
});

describe('readTokenizer', () => {
  it.each<[string, DefineOptions]>([
    ['the defaults', {}],
    ['BERT', { ...BERT, maxLength: 64 }],
    ['lower case', { normalization: 'NFD', lowercase: true }],
    ['a prefix space', { addPrefixSpace: true }],
    ['digits', { individualDigits: true, extraTokens: ['<extra>'] }],
  ])('gives back what was written, with %s', (_, options) => {
    const definition = trained(options);
    const [json, config] = files(definition);
    const read = readTokenizer(json, config);
    expect(files(read)).toEqual([json, config]);
    const text = corpus(15).join('\n');
    expect(new Tokenizer(read).encode(text)).toEqual(new Tokenizer(definition).encode(text));
  });

  it('reads merges written as strings', () => {
    const [json, config] = files(trained());
    const file = JSON.parse(json) as { model: { merges: string[][] } };
    const old = { ...file, model: { ...file.model, merges: file.model.merges.map((merge) => merge.join(' ')) } };
    expect(readTokenizer(JSON.stringify(old), config)).toEqual(readTokenizer(json, config));
  });

  const steps: [string, object, Partial<TokenizerDefinition['rules']>][] = [
    ['GPT-2', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true } }, {}],
    ['RoBERTa', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }, { addPrefixSpace: true }],
    [
      'SmolLM',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Digits', individual_digits: true },
            { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
          ],
        },
      },
      { individualDigits: true },
    ],
  ];
  it.each(steps)('knows the steps of %s', (_, change, rules) => {
    const file = { ...(JSON.parse(files(trained())[0]) as object), ...change };
    expect(readTokenizer(JSON.stringify(file)).rules).toEqual(rules);
  });

  it.each([
    ['BertProcessing', '[CLS] $A [SEP]', '[CLS] $A [SEP] $B:1 [SEP]:1'],
    ['RobertaProcessing', '[CLS] $A [SEP]', '[CLS] $A [SEP] [SEP] $B [SEP]'],
  ])('knows %s', (type, template, pairTemplate) => {
    const definition = trained({ template, pairTemplate });
    const file = JSON.parse(files(definition)[0]) as object;
    const step = {
      type: 'Sequence',
      processors: [{ type: 'ByteLevel' }, { type, cls: ['[CLS]', 2], sep: ['[SEP]', 3] }],
    };
    expect(readTokenizer(JSON.stringify({ ...file, post_processor: step })).template).toEqual(definition.template);
  });

  it('takes no length for a limit that means none, and tokens written as objects', () => {
    const [json] = files(trained());
    const config = { model_max_length: 1e30, pad_token: { __type: 'AddedToken', content: '[PAD]' }, cls_token: null };
    expect(readTokenizer(json, JSON.stringify(config))).toMatchObject({
      roles: { pad: '[PAD]' },
      maxLength: undefined,
    });
  });
});

describe('a bad tokenizer.json', () => {
  const good = JSON.parse(files(trained())[0]) as Record<string, object>;
  const failing = (change: object): AnnealError => {
    try {
      readTokenizer(JSON.stringify({ ...good, ...change }));
    } catch (error) {
      expect(error).toBeInstanceOf(AnnealError);
      expect(TOKENIZER_CODES).toHaveProperty((error as AnnealError).code);
      return error as AnnealError;
    }
    throw new Error('expected an error');
  };
  const model = (change: object): object => ({ model: { ...good['model'], ...change } });
  const sequence = (...pretokenizers: object[]): object => ({ pre_tokenizer: { type: 'Sequence', pretokenizers } });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false };

  it.each<[string, object, string]>([
    ['no model', { model: undefined }, 'model: Invalid key: Expected "model" but received undefined'],
    ['a list as vocabulary', model({ vocab: [] }), 'model.vocab: Invalid type: Expected Object but received Array'],
    ['a token of no id', model({ vocab: { a: 'b' } }), 'model.vocab.a: expected an id in [0, 6), received b'],
    ['an id far away', model({ vocab: { a: 4e9 } }), 'model.vocab.a: expected an id in [0, 6), received 4000000000'],
    ['an id twice', model({ vocab: { a: 5, b: 5 } }), 'model.vocab.b: "a" and "b" have the same id 5'],
    [
      'a hole',
      { added_tokens: [], ...model({ vocab: { a: 1, b: 1.5 } }) },
      'model.vocab.b: expected an id in [0, 2), received 1.5',
    ],
    [
      'no token of id 0',
      { added_tokens: [], ...model({ vocab: { a: 1, a2: 2, b: 3 } }) },
      'model.vocab.b: expected an id in [0, 3), received 3',
    ],
    ['merges of three', model({ merges: ['a b c'] }), 'model.merges.0: expected two tokens, received "a b c"'],
    ['merges of nothing', model({ merges: [['', 'a']] }), 'model.merges.0: expected two tokens, received ["","a"]'],
    [
      'an empty added token',
      { added_tokens: [{ id: 0, content: '' }] },
      'added_tokens.0.content: Invalid length: Expected !0 but received 0',
    ],
    [
      'a sequence without steps',
      { pre_tokenizer: { type: 'Sequence' } },
      'pre_tokenizer.pretokenizers: Invalid type: Expected Array but received undefined',
    ],
    [
      'half a template',
      { post_processor: { type: 'TemplateProcessing', single: [] } },
      'post_processor.pair: Invalid key: Expected "pair" but received undefined',
    ],
  ])('is named: %s', (_, change, message) => {
    expect(failing(change)).toMatchObject({ code: 'TOKENIZER_E_FORMAT', message });
  });

  it('has every id from 0 on', () => {
    const change = { added_tokens: [{ id: 1, content: 'a' }], ...model({ vocab: { a: 1 }, merges: [] }) };
    expect(failing(change)).toMatchObject({
      code: 'TOKENIZER_E_FORMAT',
      message: 'model.vocab: no token has the id 0',
    });
  });

  it('is named when it is not JSON', () => {
    expect(() => readTokenizer('{')).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_E_FORMAT',
        message: expect.stringMatching(/^tokenizer\.json is not JSON/) as unknown,
      }),
    );
    expect(() => readTokenizer(JSON.stringify(good), '[')).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_E_FORMAT',
        message: expect.stringMatching(/^tokenizer_config\.json is not JSON/) as unknown,
      }),
    );
    expect(() => readTokenizer('null')).toThrow(expect.objectContaining({ code: 'TOKENIZER_E_FORMAT' }));
    expect(() => readTokenizer(JSON.stringify(good), '{"pad_token":5}')).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_E_FORMAT', path: ['pad_token'] }),
    );
  });

  it.each<[string, object, string]>([
    ['another model', model({ type: 'Unigram' }), 'model.type: model type `Unigram` is not supported'],
    ['dropout', model({ dropout: 0.1 }), 'model.dropout: `dropout` is not supported'],
    ['whole words first', model({ ignore_merges: true }), 'model.ignore_merges: `ignore_merges` is not supported'],
    ['another decoder', { decoder: { type: 'WordPiece' } }, 'decoder: anything but `ByteLevel` is not supported'],
    ['no decoder', { decoder: null }, 'decoder: anything but `ByteLevel` is not supported'],
    [
      'another normalizer',
      { normalizer: { type: 'BertNormalizer' } },
      'normalizer: `BertNormalizer` here is not supported',
    ],
    [
      'an order of normalizers',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, { type: 'NFC' }] } },
      'normalizer: `NFC` here is not supported',
    ],
    [
      'no pre-tokenizer',
      { pre_tokenizer: null },
      'pre_tokenizer: anything but `ByteLevel` at the end is not supported',
    ],
    [
      'another pattern',
      sequence({ type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Isolated' }, byteLevel),
      'pre_tokenizer: `Split` with these settings is not supported',
    ],
    [
      'no words',
      sequence({ ...byteLevel, use_regex: false }),
      'pre_tokenizer: splitting words twice or not at all is not supported',
    ],
    [
      'a prefix space in every part',
      sequence({ type: 'Digits', individual_digits: true }, { ...byteLevel, add_prefix_space: true }),
      'pre_tokenizer: `add_prefix_space` after a split is not supported',
    ],
    ['another processor', { post_processor: { type: 'Nothing' } }, 'post_processor: `Nothing` is not supported'],
    [
      'words only',
      { added_tokens: [{ id: 0, content: '[PAD]', single_word: true }] },
      'added_tokens.0: `single_word` is not supported',
    ],
    [
      'a cut at the start',
      { truncation: { max_length: 5, direction: 'Left' } },
      'truncation: truncation of the start is not supported',
    ],
  ])('is refused: %s', (_, change, message) => {
    expect(failing(change)).toMatchObject({ code: 'TOKENIZER_E_UNSUPPORTED', message });
  });
});
