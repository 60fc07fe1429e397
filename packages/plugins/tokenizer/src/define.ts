import { parseTemplate } from './bpe/template.ts';
import type { TextRules } from './bpe/text.ts';
import type { TokenizerDefinition, TokenRole } from './bpe/tokenizer.ts';
import type { Vocabulary } from './bpe/train.ts';

/** Special tokens of BERT-style models, in the order of their ids. */
export const BERT_TOKENS: Readonly<Record<'pad' | 'unk' | 'cls' | 'sep' | 'mask', string>> = {
  pad: '[PAD]',
  unk: '[UNK]',
  cls: '[CLS]',
  sep: '[SEP]',
  mask: '[MASK]',
};

/** What a vocabulary needs to become a tokenizer. */
export interface DefineOptions extends TextRules {
  /** Special tokens by role. @defaultValue {@link BERT_TOKENS} */
  roles?: Readonly<Partial<Record<TokenRole, string | undefined>>> | undefined;
  /** More special tokens, without a role. @defaultValue `[]` */
  extraTokens?: readonly string[] | undefined;
  /** How a text becomes a sequence: `$A` and special tokens. @defaultValue `[CLS] $A` where there is a `cls` token, else `$A` */
  template?: string | undefined;
  /** The same for two texts. @defaultValue `[CLS] $A [SEP] $B:1` where there are `cls` and `sep` tokens, else `$A $B:1` */
  pairTemplate?: string | undefined;
  /** Most tokens of an encoding, special tokens included. @defaultValue no limit */
  maxLength?: number | undefined;
}

function rolesOf({ roles = BERT_TOKENS }: DefineOptions): Partial<Record<TokenRole, string>> {
  return Object.fromEntries(Object.entries(roles).filter(([, token]) => token !== undefined));
}

/** All special tokens of the options, in the order of their ids: pass them to training as `specialTokens`. */
export function specialTokensOf(options: DefineOptions): string[] {
  return [...new Set([...Object.values(rolesOf(options)), ...(options.extraTokens ?? [])])];
}

/** Puts a trained vocabulary, special tokens and templates together. */
export function defineTokenizer(vocabulary: Vocabulary, options: DefineOptions = {}): TokenizerDefinition {
  const { maxLength, normalization, lowercase, addPrefixSpace, individualDigits } = options;
  const roles = rolesOf(options);
  const { cls, sep } = roles;
  const ids = new Map(vocabulary.tokens.map((token, id) => [token, id]));
  let next = vocabulary.tokens.length;
  return {
    tokens: vocabulary.tokens,
    merges: vocabulary.merges,
    rules: { normalization, lowercase, addPrefixSpace, individualDigits },
    added: specialTokensOf(options).map((content) => ({ id: ids.get(content) ?? next++, content, special: true })),
    roles,
    unknown: roles.unk,
    template: {
      single: parseTemplate(options.template ?? (cls === undefined ? '$A' : `${cls} $A`)),
      pair: parseTemplate(
        options.pairTemplate ?? (cls === undefined || sep === undefined ? '$A $B:1' : `${cls} $A ${sep} $B:1`),
      ),
    },
    maxLength,
  };
}
