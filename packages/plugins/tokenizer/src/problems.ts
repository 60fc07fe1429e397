/** What can be wrong with a tokenizer or its use, one entry per code. */
const PROBLEMS = {
  TOKENIZER_E_OPTION: 'an option is out of range',
  TOKENIZER_E_TEMPLATE: 'a template does not say where the texts go',
  TOKENIZER_E_VOCABULARY: 'a merge, role or template names a token that the vocabulary lacks',
  TOKENIZER_E_ID: 'a token id is not in the vocabulary',
  TOKENIZER_E_FORMAT: 'a tokenizer file is damaged or not a tokenizer file',
  TOKENIZER_E_UNSUPPORTED: 'a tokenizer file asks for something this package does not do',
} as const;

/** Codes of everything that can be wrong with a tokenizer. */
export type TokenizerCode = keyof typeof PROBLEMS;

/** Every code with one line of explanation. */
export const TOKENIZER_CODES: Readonly<Record<TokenizerCode, string>> = PROBLEMS;

/** Details of a {@link TokenizerError}. */
export interface TokenizerErrorDetails {
  /** One line saying what to do about it. */
  readonly fix?: string | undefined;
  /** Where in the options or in the file: `['model', 'merges', 3]`. */
  readonly path?: readonly (string | number)[] | undefined;
  readonly cause?: unknown;
}

/** A problem with a tokenizer, its options or its files. */
export class TokenizerError extends Error {
  override readonly name: string = 'TokenizerError';
  readonly code: TokenizerCode;
  readonly fix: string | undefined;
  readonly path: readonly (string | number)[] | undefined;

  constructor(code: TokenizerCode, message: string, details: TokenizerErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fix = details.fix;
    this.path = details.path;
  }
}
