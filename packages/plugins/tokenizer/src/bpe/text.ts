import { problem } from '../problems.ts';
import { forEachWord, forEachWordOrDigit, type WordVisitor } from './pretokenize.ts';

/** What happens to a text before it becomes tokens. The same rules must hold for training and encoding. */
export interface TextRules {
  /** Unicode normalisation form. Without one, decoding gives the text back exactly. @defaultValue none */
  normalization?: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | undefined;
  /** Lower-cases the text, character by character (final sigma becomes σ). @defaultValue `false` */
  lowercase?: boolean | undefined;
  /** Puts a space before a text that starts with none, so that its first word is spelled as in mid-sentence. @defaultValue `false` */
  addPrefixSpace?: boolean | undefined;
  /** Makes every numeric character a token of its own. @defaultValue `false` */
  individualDigits?: boolean | undefined;
}

/** @throws AnnealError `TOKENIZER_E_OPTION` for rules that no `tokenizer.json` can say */
export function checkRules({ addPrefixSpace = false, individualDigits = false }: TextRules): void {
  if (!addPrefixSpace || !individualDigits) return;
  throw problem(
    'TOKENIZER_E_OPTION',
    'options `addPrefixSpace` and `individualDigits` exclude each other, received true for both',
    { path: ['addPrefixSpace'], fix: 'leave out `addPrefixSpace`' },
  );
}

/** Applies {@link TextRules.normalization}, then {@link TextRules.lowercase}. */
export function normalizeText(text: string, rules: TextRules): string {
  const normal = rules.normalization ? text.normalize(rules.normalization) : text;
  // A capital sigma lower-cases by its neighbours in JavaScript and alone in Rust: taking it first makes all readers agree.
  return rules.lowercase ? normal.replaceAll('Σ', 'σ').toLowerCase() : normal;
}

/** Calls `visit` for each word of a normalised text. */
export function splitText(text: string, rules: TextRules, visit: WordVisitor): boolean {
  const whole = rules.addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text;
  return (rules.individualDigits ? forEachWordOrDigit : forEachWord)(whole, 0, whole.length, visit);
}
