import type { Tokenizer } from './bpe/tokenizer.ts';

/** How a tokenizer does on texts. */
export interface TokenizerMeasure {
  /** That were measured. */
  readonly texts: number;
  /** Tokens without special tokens. */
  readonly tokens: number;
  /** Tokens per word between white space. */
  readonly fertility: number;
  /** UTF-8 bytes per token. */
  readonly bytesPerToken: number;
  /** Length of texts in tokens, with special tokens and before anything is cut. */
  readonly lengthP50: number;
  /** 95 % of the texts take at most so many tokens. */
  readonly lengthP95: number;
}

/** Measures fertility and lengths on texts. */
export function measureTokenizer(tokenizer: Tokenizer, texts: Iterable<string>): TokenizerMeasure {
  const encoder = new TextEncoder();
  const lengths: number[] = [];
  const added = tokenizer.encode('', { maxLength: Infinity }).ids.length;
  let tokens = 0;
  let words = 0;
  let bytes = 0;
  for (const text of texts) {
    const { length } = tokenizer.encode(text, { maxLength: Infinity, addSpecialTokens: false }).ids;
    tokens += length;
    lengths.push(length + added);
    words += text.match(/\S+/g)?.length ?? 0;
    bytes += encoder.encode(text).length;
  }
  lengths.sort((a, b) => a - b);
  const quantile = (q: number): number => lengths[Math.min(lengths.length - 1, Math.floor(q * lengths.length))] ?? 0;
  return {
    texts: lengths.length,
    tokens,
    fertility: words === 0 ? 0 : tokens / words,
    bytesPerToken: tokens === 0 ? 0 : bytes / tokens,
    lengthP50: quantile(0.5),
    lengthP95: quantile(0.95),
  };
}
