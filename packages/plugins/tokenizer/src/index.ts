export { byteAlphabet, bytesToToken, tokenToBytes } from './bpe/bytes.ts';
export { formatTemplate, parseTemplate, type Template, type TemplatePiece } from './bpe/template.ts';
export type { TextRules } from './bpe/text.ts';
export {
  Tokenizer,
  type AddedToken,
  type DecodeOptions,
  type EncodeOptions,
  type Encoding,
  type TokenizerDefinition,
  type TokenRole,
} from './bpe/tokenizer.ts';
export {
  BpeTrainer,
  trainBpe,
  trainVocabulary,
  type BpeTrainOptions,
  type Vocabulary,
  type VocabularyOptions,
  type WordCounts,
} from './bpe/train.ts';
export { BERT_TOKENS, defineTokenizer, specialTokensOf, type DefineOptions } from './define.ts';
export { ggufTokenizer } from './format/gguf.ts';
export { readTokenizer } from './format/read.ts';
export { specialTokensMap, toTokenizerConfig, toTokenizerJson, type TokenizerConfigOptions } from './format/write.ts';
export { measureTokenizer, type TokenizerMeasure } from './measure.ts';
export type { TokenizerOptions } from './options.ts';
export { tokenizer, tokenizer as default, TOKENIZER_SUMMARY, type TokenizerSummary } from './plugin.ts';
export { TOKENIZER_CODES, type TokenizerCode } from './problems.ts';
