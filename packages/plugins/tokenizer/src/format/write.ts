import type { JsonObject, JsonValue } from '@anneal/core';

import { GPT2_PATTERN } from '../bpe/pretokenize.ts';
import { PLAIN_TEMPLATE, type TemplatePiece } from '../bpe/template.ts';
import type { TextRules } from '../bpe/text.ts';
import type { TokenizerDefinition, TokenRole } from '../bpe/tokenizer.ts';

function sequence(key: string, steps: readonly JsonObject[]): JsonValue {
  return steps.length > 1 ? { type: 'Sequence', [key]: steps } : (steps[0] ?? null);
}

function normalizer({ normalization, lowercase }: TextRules): JsonValue {
  const steps: JsonObject[] = [];
  if (normalization) steps.push({ type: normalization });
  if (lowercase) steps.push({ type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' }, { type: 'Lowercase' });
  return sequence('normalizers', steps);
}

function split(pattern: string): JsonObject {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}

/**
 * `ByteLevel` has GPT-2's pattern built in, but its Rust and JavaScript readers take `\s` differently (U+0085, U+FEFF).
 * Written out as `Split` the pattern means the same to both. Only a prefix space needs the built-in form.
 */
function preTokenizer({ addPrefixSpace = false, individualDigits = false }: TextRules): JsonValue {
  const byteLevel = {
    type: 'ByteLevel',
    add_prefix_space: addPrefixSpace,
    trim_offsets: true,
    use_regex: addPrefixSpace,
  };
  if (addPrefixSpace) return byteLevel;
  return sequence('pretokenizers', [...(individualDigits ? [split('\\p{N}')] : []), split(GPT2_PATTERN), byteLevel]);
}

function templateJson(pieces: readonly TemplatePiece[]): JsonValue {
  return pieces.map((piece): JsonValue =>
    piece.kind === 'special'
      ? { SpecialToken: { id: piece.token, type_id: piece.typeId } }
      : { Sequence: { id: piece.sequence, type_id: piece.typeId } },
  );
}

/**
 * The content of a Hugging Face `tokenizer.json`, as read by `tokenizers` (Rust, Python), `@huggingface/tokenizers` and
 * `@huggingface/transformers`.
 */
export function toTokenizerJson(definition: TokenizerDefinition): JsonObject {
  const { tokens, merges, added, rules, unknown, template = PLAIN_TEMPLATE, maxLength } = definition;
  const ids = new Map(tokens.map((token, id) => [token, id]));
  for (const { content, id } of added) ids.set(content, id);
  const used = new Set(
    [...template.single, ...template.pair].flatMap((piece) => (piece.kind === 'special' ? [piece.token] : [])),
  );
  return {
    version: '1.0',
    truncation:
      maxLength === undefined
        ? null
        : { direction: 'Right', max_length: maxLength, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    added_tokens: added.map(({ id, content, special = true, lstrip = false, rstrip = false }) => ({
      id,
      content,
      single_word: false,
      lstrip,
      rstrip,
      normalized: false,
      special,
    })),
    normalizer: normalizer(rules),
    pre_tokenizer: preTokenizer(rules),
    post_processor: {
      type: 'TemplateProcessing',
      single: templateJson(template.single),
      pair: templateJson(template.pair),
      special_tokens: Object.fromEntries(
        [...used].map((token) => [token, { id: token, ids: [ids.get(token)!], tokens: [token] }]),
      ),
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** Keys of `tokenizer_config.json` and `special_tokens_map.json` by role. */
export const ROLE_KEYS: Readonly<Record<TokenRole, string>> = {
  pad: 'pad_token',
  unk: 'unk_token',
  cls: 'cls_token',
  sep: 'sep_token',
  mask: 'mask_token',
  bos: 'bos_token',
  eos: 'eos_token',
};

/** Settings of `tokenizer_config.json` that the tokenizer itself does not know. */
export interface TokenizerConfigOptions {
  /** Tensors that the model takes. @defaultValue `['input_ids', 'attention_mask']` */
  modelInputNames?: readonly string[] | undefined;
}

/** The content of `tokenizer_config.json`: what `transformers` and `@huggingface/transformers` read beside `tokenizer.json`. */
export function toTokenizerConfig(definition: TokenizerDefinition, options: TokenizerConfigOptions = {}): JsonObject {
  const { added, roles, maxLength } = definition;
  const inRole = new Set(Object.values(roles));
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...(maxLength === undefined ? {} : { model_max_length: maxLength }),
    model_input_names: options.modelInputNames ?? ['input_ids', 'attention_mask'],
    padding_side: 'right',
    truncation_side: 'right',
    // The default would drop spaces before punctuation when decoding.
    clean_up_tokenization_spaces: false,
    ...specialTokensMap(roles),
    additional_special_tokens: added
      .filter(({ content, special = true }) => special && !inRole.has(content))
      .map(({ content }) => content),
    added_tokens_decoder: Object.fromEntries(
      added.map(({ id, content, special = true, lstrip = false, rstrip = false }) => [
        String(id),
        { content, lstrip, normalized: false, rstrip, single_word: false, special },
      ]),
    ),
  };
}

/** The content of `special_tokens_map.json`, which older readers want: role key → token. */
export function specialTokensMap(roles: TokenizerDefinition['roles']): { readonly [key: string]: string } {
  return Object.fromEntries(Object.entries(roles).map(([role, token]) => [ROLE_KEYS[role as TokenRole], token]));
}
