import { AnnealError, type ErrorDetails } from '@anneal/core';

/** What can be wrong with a tokenizer, its files or its data, one entry per code. */
const PROBLEMS = {
  TOKENIZER_E_OPTION: 'an option is out of range',
  TOKENIZER_E_TEMPLATE: 'a template does not say where the texts go',
  TOKENIZER_E_VOCABULARY: 'a merge, role or template names a token that the vocabulary lacks',
  TOKENIZER_E_ID: 'a token id is not in the vocabulary',
  TOKENIZER_E_FILE: 'a tokenizer file cannot be read',
  TOKENIZER_E_FORMAT: 'a tokenizer file is damaged or not a tokenizer file',
  TOKENIZER_E_UNSUPPORTED: 'a tokenizer file asks for something this package does not do',
  TOKENIZER_E_EMPTY: 'there is no text to train a vocabulary on',
  TOKENIZER_E_COLUMN: 'a row has no text where one is expected',
} as const;

/** Codes of everything that can be wrong with a tokenizer. */
export type TokenizerCode = keyof typeof PROBLEMS;

/** Every code with one line of explanation. */
export const TOKENIZER_CODES: Readonly<Record<TokenizerCode, string>> = PROBLEMS;

/** An error about a tokenizer. */
export function problem(code: TokenizerCode, message: string, details: ErrorDetails = {}): AnnealError {
  return new AnnealError(code, message, { plugin: 'tokenizer', ...details });
}
