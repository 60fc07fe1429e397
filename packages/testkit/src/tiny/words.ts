import { definePlugin, type PluginFactory, type Run } from '@anneal/core';
import * as v from 'valibot';

import { TINY_WORDS } from './texts.ts';

/** Ids of the special tokens of {@link tinyWords}. */
export const TINY_TOKENS: { readonly pad: 0; readonly unk: 1; readonly eos: 2 } = { pad: 0, unk: 1, eos: 2 };
const VOCABULARY: readonly string[] = ['[PAD]', '[UNK]', '[EOS]', ...TINY_WORDS];
/** Size of the vocabulary of {@link tinyWords}. */
export const TINY_VOCABULARY: number = VOCABULARY.length;

/** What models read of a tokenizer. */
const SUMMARY = 'tokenizer/summary.json';

const IDS: ReadonlyMap<string, number> = new Map(VOCABULARY.map((word, id) => [word, id]));

/** Size of the vocabulary of a build's tokenizer; that of {@link tinyWords} where it has none. */
export function vocabularyOf({ artifacts }: Run): number {
  if (!artifacts.has(SUMMARY)) return TINY_VOCABULARY;
  return artifacts.json<{ readonly vocabSize: number }>(SUMMARY).vocabSize;
}

/** Ids of the words of a text. */
export function wordIds(text: string): readonly number[] {
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => IDS.get(word) ?? TINY_TOKENS.unk);
}

/** The vocabulary as Hugging Face's tokenizer.json has it. */
function tokenizerJson(): string {
  const special = VOCABULARY.slice(0, 3).map((content, id) => ({ id, content, special: true }));
  const model = { type: 'WordLevel', vocab: Object.fromEntries(IDS), unk_token: '[UNK]' };
  return JSON.stringify({ version: '1.0', added_tokens: special, pre_tokenizer: { type: 'WhitespaceSplit' }, model });
}

/**
 * One token for each word of the tiny texts: `input_ids` and `attention_mask`. Sets the artifacts of a tokenizer,
 * `tokenizer.json`, `tokenizer_config.json` and `tokenizer/summary.json`.
 */
export const tinyWords: PluginFactory<object> = definePlugin({
  name: 'tiny-words',
  provides: ['tokenizer'],
  options: v.strictObject({}),
  setup(api) {
    api.hooks.data.afterDataset.tap((_, { run: { artifacts } }) => {
      artifacts.set('tokenizer.json', tokenizerJson());
      artifacts.setJson('tokenizer_config.json', { pad_token: '[PAD]', unk_token: '[UNK]', eos_token: '[EOS]' });
      artifacts.setJson(SUMMARY, { vocabSize: TINY_VOCABULARY, roles: TINY_TOKENS });
    });
    api.hooks.data.transformSample.tap((sample, { maxLength }) => {
      const { text } = sample.row;
      const ids = wordIds(typeof text === 'string' ? text : '').slice(0, maxLength);
      const features = { input_ids: ids, attention_mask: ids.map(() => 1) };
      return { ...sample, features: { ...sample.features, ...features } };
    });
  },
});
