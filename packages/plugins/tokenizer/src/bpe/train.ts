import { byteAlphabet, byteCodePoints, writeUtf8 } from './bytes.ts';
import { Corpus, learnMerges } from './learn.ts';
import { problem } from '../problems.ts';
import { checkRules, normalizeText, splitText, type TextRules } from './text.ts';
import { grown, WordTable } from './word-table.ts';

/** Options of vocabulary training; names and meaning as in Hugging Face tokenizers. */
export interface VocabularyOptions {
  /** Most tokens of the vocabulary, special tokens and alphabet included. @defaultValue `30000` */
  vocabSize?: number | undefined;
  /** Lowest number of times a pair must occur to be merged. @defaultValue `0` */
  minFrequency?: number | undefined;
  /** Tokens that stand for no text. They get the first ids, in this order. @defaultValue `[]` */
  specialTokens?: readonly string[] | undefined;
  /** Most characters of the alphabet: the rarest are left out of the vocabulary. @defaultValue no limit */
  limitAlphabet?: number | undefined;
  /** Characters in the alphabet whether the text has them or not. @defaultValue `[]` */
  initialAlphabet?: readonly string[] | undefined;
  /** Tokens stay shorter than this many characters (bytes, for a byte-level vocabulary). @defaultValue no limit */
  maxTokenLength?: number | undefined;
}

/** Options of {@link trainBpe}. The alphabet defaults to all 256 bytes, so that no text is out of vocabulary. */
export interface BpeTrainOptions extends VocabularyOptions, TextRules {}

/** A trained vocabulary. */
export interface Vocabulary {
  /** Token of each id. */
  readonly tokens: readonly string[];
  /** Pairs of tokens to join, most important first. */
  readonly merges: readonly (readonly [left: string, right: string])[];
}

/** Writes the characters of a word as code points and returns how many; `out` has room for three a UTF-16 unit. */
type Speller = (word: string, out: Uint32Array) => number;

function spellCharacters(word: string, out: Uint32Array): number {
  let at = 0;
  for (const character of word.toWellFormed()) out[at++] = character.codePointAt(0)!;
  return at;
}

function byteSpeller(): Speller {
  const table = byteCodePoints();
  let bytes = new Uint8Array(256);
  return (word, out) => {
    if (word.length * 3 > bytes.length) bytes = new Uint8Array(word.length * 6);
    const length = writeUtf8(word, 0, word.length, bytes);
    for (let i = 0; i < length; i++) out[i] = table[bytes[i]!]!;
    return length;
  };
}

/** Distinct words with the number of times each was seen. */
export interface WordCounts {
  /** Different words. */
  readonly size: number;
  /** By its number. */
  word(index: number): string;
  /** How often it occurs. */
  count(index: number): number;
}

/** Characters to keep, in code point order: the most frequent, characters of the initial alphabet before all others. */
function selectAlphabet(counts: Map<number, number>, { initialAlphabet, limitAlphabet }: VocabularyOptions): number[] {
  for (const character of initialAlphabet ?? []) counts.set(character.codePointAt(0)!, Infinity);
  const kept = [...counts];
  if (limitAlphabet !== undefined && kept.length > limitAlphabet) {
    kept.sort(([a, countA], [b, countB]) => (countA === countB ? a - b : countB - countA));
    kept.length = limitAlphabet;
  }
  return kept.map(([code]) => code).sort((a, b) => a - b);
}

/** The growing vocabulary: tokens, their ids and their lengths in characters. */
class Tokens {
  readonly list: string[] = [];
  readonly lengths: number[] = [];
  readonly #ids = new Map<string, number>();

  idOf(token: string, length: number): number {
    let id = this.#ids.get(token);
    if (id === undefined) {
      id = this.list.push(token) - 1;
      this.#ids.set(token, id);
      this.lengths.push(length);
    }
    return id;
  }
}

function checkOptions(options: VocabularyOptions): void {
  for (const name of ['vocabSize', 'minFrequency', 'limitAlphabet', 'maxTokenLength'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw problem('TOKENIZER_E_OPTION', `option \`${name}\` must be an integer >= 0, received ${value}`, {
        path: [name],
      });
    }
  }
  const special = options.specialTokens ?? [];
  if (special.includes('') || new Set(special).size !== special.length) {
    throw problem(
      'TOKENIZER_E_OPTION',
      `option \`specialTokens\` must hold different, non-empty strings, received ${JSON.stringify(special)}`,
      { path: ['specialTokens'] },
    );
  }
}

/**
 * Trains a vocabulary on counted words by pair merging (Sennrich, Haddow and Birch, 2016, "Neural Machine Translation of
 * Rare Words with Subword Units"). Deterministic: highest count first, then smallest ids, as Hugging Face tokenizers does.
 * @throws AnnealError `TOKENIZER_E_OPTION` when an option is out of range, or `vocabSize` has no room for the special tokens and the alphabet
 */
export function trainVocabulary(
  words: WordCounts,
  options: VocabularyOptions,
  spell: 'bytes' | 'characters',
): Vocabulary {
  checkOptions(options);
  const { vocabSize = 30_000, minFrequency = 0, maxTokenLength = Infinity, specialTokens = [] } = options;
  const write = spell === 'bytes' ? byteSpeller() : spellCharacters;
  let codes = new Uint32Array(1024);
  const spelled = (index: number): number => {
    const word = words.word(index);
    if (word.length * 3 > codes.length) codes = new Uint32Array(word.length * 3);
    return write(word, codes);
  };

  const seen = new Map<number, number>();
  for (let index = 0; index < words.size; index++) {
    const length = spelled(index);
    const count = words.count(index);
    for (let i = 0; i < length; i++) seen.set(codes[i]!, (seen.get(codes[i]!) ?? 0) + count);
  }

  const tokens = new Tokens();
  const symbols = new Map<number, number>();
  for (const token of specialTokens) {
    const characters = Array.from(token);
    const id = tokens.idOf(token, characters.length);
    // A special token of one character is that character's symbol too, even where `limitAlphabet` leaves it out.
    if (characters.length === 1) symbols.set(token.codePointAt(0)!, id);
  }
  for (const code of selectAlphabet(seen, options)) symbols.set(code, tokens.idOf(String.fromCodePoint(code), 1));
  if (tokens.list.length > vocabSize) {
    throw problem(
      'TOKENIZER_E_OPTION',
      `option \`vocabSize\` must leave room for the special tokens and the alphabet, received ${vocabSize}`,
      { path: ['vocabSize'], fix: `use at least ${tokens.list.length}` },
    );
  }

  const corpus = new Corpus();
  for (let index = 0; index < words.size; index++) {
    const length = spelled(index);
    let kept = 0;
    for (let i = 0; i < length; i++) {
      const id = symbols.get(codes[i]!);
      if (id !== undefined) codes[kept++] = id;
    }
    corpus.add(codes, kept, words.count(index));
  }

  const { list, lengths } = tokens;
  const merges = learnMerges(corpus, {
    least: Math.max(1, minFrequency),
    maxLength: maxTokenLength,
    symbols: list.length,
    lengthOf: (symbol) => lengths[symbol]!,
    join: (left, right) => {
      if (list.length >= vocabSize) return undefined;
      return tokens.idOf(list[left]! + list[right]!, lengths[left]! + lengths[right]!);
    },
  });
  return { tokens: list, merges: merges.map(({ left, right }) => [list[left]!, list[right]!] as const) };
}

/**
 * Counts the words of texts and trains a byte-level BPE vocabulary on them. Texts may be added one by one and are not kept.
 */
export class BpeTrainer {
  readonly #options: BpeTrainOptions;
  readonly #words = new WordTable();
  #counts = new Float64Array(1024);
  #total = 0;

  constructor(options: BpeTrainOptions = {}) {
    checkOptions(options);
    checkRules(options);
    this.#options = options;
  }

  /** Words counted so far. */
  get words(): number {
    return this.#total;
  }

  /** Adds the words of one text. */
  add(text: string): void {
    const words = this.#words;
    splitText(normalizeText(text, this.#options), this.#options, (source, start, end) => {
      const word = words.intern(source, start, end);
      if (word >= this.#counts.length) this.#counts = grown(this.#counts, word + 1);
      this.#counts[word]! += 1;
      this.#total++;
    });
  }

  /** Learns the vocabulary from what was added. Adding more and training again starts afresh from all words. */
  train(): Vocabulary {
    const words = this.#words;
    const counts = this.#counts;
    const initialAlphabet = this.#options.initialAlphabet ?? byteAlphabet();
    return trainVocabulary(
      { size: words.size, word: (index) => words.word(index), count: (index) => counts[index]! },
      { ...this.#options, initialAlphabet },
      'bytes',
    );
  }
}

/** Trains a byte-level BPE vocabulary on texts: {@link BpeTrainer} in one call. */
export function trainBpe(texts: Iterable<string>, options: BpeTrainOptions = {}): Vocabulary {
  const trainer = new BpeTrainer(options);
  for (const text of texts) trainer.add(text);
  return trainer.train();
}
