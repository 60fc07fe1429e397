import * as v from 'valibot';

import type { AddedToken, TokenizerDefinition, TokenRole } from '../bpe/tokenizer.ts';
import { problem } from '../problems.ts';
import { readDecoder, readNormalizer, readPreTokenizer, readTemplate, stepSchema } from './steps.ts';
import { idSchema, unsupported, validate } from './validate.ts';
import { ROLE_KEYS } from './write.ts';

/** `v.record` would drop `constructor` and `__proto__`, which are tokens like others. */
const dictionary = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  (issue) => `Invalid type: Expected Object but received ${issue.received}`,
);

const addedSchema = v.looseObject({
  id: idSchema,
  content: v.pipe(v.string(), v.nonEmpty()),
  special: v.optional(v.boolean(), false),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  single_word: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean(), false),
});

const fileSchema = v.looseObject({
  truncation: v.nullish(v.looseObject({ max_length: idSchema, direction: v.optional(v.string(), 'Right') })),
  added_tokens: v.optional(v.array(addedSchema), []),
  normalizer: v.nullish(stepSchema),
  pre_tokenizer: v.nullish(stepSchema),
  post_processor: v.nullish(stepSchema),
  decoder: v.nullish(stepSchema),
  model: v.looseObject({
    type: v.optional(v.string(), 'BPE'),
    vocab: dictionary,
    merges: v.optional(v.array(v.union([v.string(), v.tuple([v.string(), v.string()])])), []),
    unk_token: v.nullish(v.string()),
  }),
});
type File = v.InferOutput<typeof fileSchema>;

const configSchema = v.looseObject({ model_max_length: v.optional(v.number()) });
const roleSchema = v.nullish(v.union([v.string(), v.looseObject({ content: v.string() })]));
/** Above this, `model_max_length` means that there is no limit. */
const NO_LIMIT = 1e15;

/** Model settings that change the result, with the values that do not. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  dropout: [null, undefined, 0],
  continuing_subword_prefix: [null, undefined, ''],
  end_of_word_suffix: [null, undefined, ''],
  fuse_unk: [null, undefined, false],
  byte_fallback: [null, undefined, false],
  ignore_merges: [null, undefined, false],
};

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw problem('TOKENIZER_E_FORMAT', `${name} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

function readTokens(file: File): string[] {
  const entries = Object.entries(file.model.vocab);
  const size = entries.length + file.added_tokens.length;
  const tokens: (string | undefined)[] = [];
  const place = (token: string, id: unknown, path: readonly (string | number)[]): void => {
    // More ids than tokens would leave holes; the bound also keeps a forged id from allocating.
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= size) {
      throw problem('TOKENIZER_E_FORMAT', `${path.join('.')}: expected an id in [0, ${size}), received ${String(id)}`, {
        path,
      });
    }
    const holder = tokens[id];
    if (holder !== undefined && holder !== token) {
      const both = `${JSON.stringify(holder)} and ${JSON.stringify(token)}`;
      throw problem('TOKENIZER_E_FORMAT', `${path.join('.')}: ${both} have the same id ${id}`, { path });
    }
    tokens[id] = token;
  };
  for (const [token, id] of entries) place(token, id, ['model', 'vocab', token]);
  for (const [index, { content, id }] of file.added_tokens.entries()) place(content, id, ['added_tokens', index]);
  return Array.from(tokens, (token, id) => {
    if (token !== undefined) return token;
    throw problem('TOKENIZER_E_FORMAT', `model.vocab: no token has the id ${id}`, {
      path: ['model', 'vocab'],
    });
  });
}

function readMerges(file: File): (readonly [string, string])[] {
  return file.model.merges.map((merge, index) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    const [left, right] = pair;
    if (pair.length === 2 && left && right) return [left, right] as const;
    const path = ['model', 'merges', index];
    throw problem('TOKENIZER_E_FORMAT', `${path.join('.')}: expected two tokens, received ${JSON.stringify(merge)}`, {
      path,
    });
  });
}

function readAdded(file: File): AddedToken[] {
  return file.added_tokens.map(({ id, content, special, lstrip, rstrip, single_word, normalized }, index) => {
    if (single_word) throw unsupported('`single_word`', ['added_tokens', index]);
    if (normalized && file.normalizer) throw unsupported('`normalized` with a normalizer', ['added_tokens', index]);
    return { id, content, special, ...(lstrip && { lstrip }), ...(rstrip && { rstrip }) };
  });
}

/** Roles and maximum length come from `tokenizer_config.json`, where there is one. */
function readConfig(text: string | undefined): Pick<TokenizerDefinition, 'roles' | 'maxLength'> {
  if (text === undefined) return { roles: {} };
  const config = validate(configSchema, parseJson(text, 'tokenizer_config.json'), []);
  const roles: Partial<Record<TokenRole, string>> = {};
  for (const [role, key] of Object.entries(ROLE_KEYS)) {
    const token = validate(roleSchema, config[key], [key]);
    if (token != null) roles[role as TokenRole] = typeof token === 'string' ? token : token.content;
  }
  const limit = config.model_max_length;
  return { roles, maxLength: limit !== undefined && limit < NO_LIMIT ? limit : undefined };
}

/**
 * Reads a Hugging Face `tokenizer.json` (byte-level BPE, both notations of `merges`) and the `tokenizer_config.json` beside it.
 * @throws AnnealError `TOKENIZER_E_FORMAT` when a file is damaged, `TOKENIZER_E_UNSUPPORTED` when it needs what
 * {@link Tokenizer} does not do: it never reads a file that it would apply differently
 */
export function readTokenizer(tokenizerJson: string, tokenizerConfig?: string): TokenizerDefinition {
  const file = validate(fileSchema, parseJson(tokenizerJson, 'tokenizer.json'), []);
  if (file.model.type !== 'BPE') throw unsupported(`model type \`${file.model.type}\``, ['model', 'type']);
  for (const [key, neutral] of Object.entries(NEUTRAL)) {
    if (!neutral.includes(file.model[key])) throw unsupported(`\`${key}\``, ['model', key]);
  }
  if (file.truncation && file.truncation.direction !== 'Right')
    throw unsupported('truncation of the start', ['truncation']);
  readDecoder(file.decoder);
  const config = readConfig(tokenizerConfig);
  return {
    tokens: readTokens(file),
    merges: readMerges(file),
    rules: { ...readNormalizer(file.normalizer), ...readPreTokenizer(file.pre_tokenizer) },
    added: readAdded(file),
    roles: config.roles,
    unknown: file.model.unk_token ?? undefined,
    template: readTemplate(file.post_processor),
    maxLength: file.truncation?.max_length ?? config.maxLength,
  };
}
