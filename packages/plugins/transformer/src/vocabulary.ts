import type { JsonObject, JsonValue } from '@anneal/core';

/** What a model must know of a tokenizer. */
export interface Vocabulary {
  /** One more than the largest id. */
  readonly size: number;
  /** Fills sequences up. */
  readonly padTokenId: number | undefined;
  /** Begins a text. */
  readonly bosTokenId?: number | undefined;
  /** Ends a text. */
  readonly eosTokenId?: number | undefined;
}

/** Names that padding tokens have, when the tokenizer does not say which it is. */
const PADDING = ['[PAD]', '<pad>', '<|pad|>', '<|padding|>'];

/**
 * Reads the size of the vocabulary and the padding token from a Hugging Face tokenizer.json, and the tokens that begin
 * and end a text from the tokenizer_config.json beside it.
 */
export function vocabularyOf(tokenizer: JsonObject, config: JsonObject = {}): Vocabulary | undefined {
  const ids = new Map<string, number>();
  const model = object(tokenizer['model']);
  const vocab = model['vocab'];
  // WordPiece, BPE and WordLevel map tokens to ids; Unigram lists [token, score] in the order of the ids.
  for (const [id, entry] of list(vocab).entries()) {
    const [token] = list(entry);
    ids.set(typeof token === 'string' ? token : `#${id}`, id);
  }
  for (const [token, id] of Object.entries(object(vocab))) if (typeof id === 'number') ids.set(token, id);
  for (const entry of list(tokenizer['added_tokens'])) {
    const { id, content } = object(entry);
    if (typeof id === 'number' && typeof content === 'string') ids.set(content, id);
  }
  if (ids.size === 0) return undefined;
  let size = 0;
  for (const id of ids.values()) size = Math.max(size, id + 1);
  const declared = object(tokenizer['padding'])['pad_id'];
  const idOf = (key: string): number | undefined => {
    const given = config[key];
    const token = typeof given === 'string' ? given : object(given)['content'];
    return typeof token === 'string' ? ids.get(token) : undefined;
  };
  const named = PADDING.map((token) => ids.get(token)).find((id) => id !== undefined);
  const padTokenId = typeof declared === 'number' ? declared : (idOf('pad_token') ?? named);
  return { size, padTokenId, bosTokenId: idOf('bos_token'), eosTokenId: idOf('eos_token') };
}

function object(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}
