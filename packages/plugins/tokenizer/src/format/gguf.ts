import * as v from 'valibot';

import { parseTemplate } from '../bpe/template.ts';
import type { TextRules } from '../bpe/text.ts';
import type { TokenizerDefinition, TokenRole } from '../bpe/tokenizer.ts';
import { idSchema, unsupported, validate } from './validate.ts';

/** How words are split, by llama.cpp's name for it. */
const PRE_TOKENIZERS: Readonly<Record<string, TextRules>> = {
  'gpt-2': {},
  smollm: { individualDigits: true },
};

/** Token types of llama.cpp: control tokens are special, those that a user defined are not. */
const [CONTROL, USER_DEFINED] = [3, 4];

const KEYS: Readonly<Partial<Record<TokenRole, string>>> = {
  bos: 'bos_token_id',
  eos: 'eos_token_id',
  unk: 'unknown_token_id',
  pad: 'padding_token_id',
};

const schema = v.looseObject({
  model: v.string(),
  pre: v.string(),
  tokens: v.array(v.string()),
  merges: v.array(v.string()),
  token_type: v.optional(v.array(v.number()), []),
  add_bos_token: v.optional(v.boolean(), false),
  ...v.entriesFromList(['bos_token_id', 'eos_token_id', 'unknown_token_id', 'padding_token_id'], v.optional(idSchema)),
});

/**
 * The tokenizer that a GGUF file carries in its metadata.
 *
 * @throws AnnealError `TOKENIZER_E_FORMAT` when it is incomplete, `TOKENIZER_E_UNSUPPORTED` when it is no byte-level BPE
 */
export function ggufTokenizer(metadata: ReadonlyMap<string, unknown>): TokenizerDefinition {
  const prefix = 'tokenizer.ggml.';
  const own = [...metadata]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value]);
  const given = validate(schema, Object.fromEntries(own), ['tokenizer', 'ggml']);
  if (given.model !== 'gpt2') throw unsupported(`model \`${given.model}\``, ['tokenizer', 'ggml', 'model']);
  const rules = Object.hasOwn(PRE_TOKENIZERS, given.pre) ? PRE_TOKENIZERS[given.pre] : undefined;
  if (rules === undefined) throw unsupported(`splitting as \`${given.pre}\` does`, ['tokenizer', 'ggml', 'pre']);
  const roles: Partial<Record<TokenRole, string>> = {};
  for (const [role, key] of Object.entries(KEYS)) {
    const token = given.tokens[given[key as keyof typeof given] as number];
    if (token !== undefined) roles[role as TokenRole] = token;
  }
  const template = given.add_bos_token && roles.bos !== undefined ? `${roles.bos} $A` : '$A';
  return {
    tokens: given.tokens,
    merges: given.merges.map((merge) => merge.split(' ') as [string, string]),
    rules,
    added: given.tokens.flatMap((content, id) => {
      const type = given.token_type[id];
      return type === CONTROL || type === USER_DEFINED ? [{ id, content, special: type === CONTROL }] : [];
    }),
    roles,
    template: { single: parseTemplate(template), pair: parseTemplate(`${template} $B:1`) },
    maxLength: contextLength(metadata),
  };
}

/** What the model of the file takes. */
function contextLength(metadata: ReadonlyMap<string, unknown>): number | undefined {
  const length = metadata.get(`${String(metadata.get('general.architecture'))}.context_length`);
  return typeof length === 'number' ? length : undefined;
}
