import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { IdList, MergeRules, mergeWord } from '../src/bpe/merge.ts';
import {
  byteAlphabet,
  bytesToToken,
  defineTokenizer,
  formatTemplate,
  parseTemplate,
  Tokenizer,
  tokenToBytes,
  trainBpe,
  type DefineOptions,
  type TextRules,
} from '../src/index.ts';
import { random, randomText } from './random.ts';

interface Golden {
  tokens: string[];
  merges: string[];
  texts: string[];
  ids: number[][];
  cut: number[][];
  pairs: { first: number; second: number; limit: number | null; ids: number[]; typeIds: number[] }[];
  variants: Record<string, number[][]>;
}

const golden = JSON.parse(readFileSync(new URL('./fixtures/encodings.json', import.meta.url), 'utf8')) as Golden;
const vocabulary = {
  tokens: golden.tokens,
  merges: golden.merges.map((merge) => merge.split(' ') as [string, string]),
};

function tokenizer(options: DefineOptions = {}): Tokenizer {
  const templates = { template: '[CLS] $A [SEP]', pairTemplate: '[CLS] $A [SEP] $B:1 [SEP]:1' };
  return new Tokenizer(defineTokenizer(vocabulary, { ...templates, ...options }));
}

const texts = golden.texts.map((text, index) => [JSON.stringify(text.slice(0, 40)), index] as const);

describe('encode', () => {
  const plain = tokenizer();

  it.each(texts)('gives the ids of Hugging Face tokenizers for %s', (_, index) => {
    expect([...plain.encode(golden.texts[index]!).ids]).toEqual(golden.ids[index]);
    expect([...plain.encode(golden.texts[index]!, { maxLength: 12 }).ids]).toEqual(golden.cut[index]);
  });

  it.each(golden.pairs)(
    'puts texts $first and $second together, at most $limit tokens',
    ({ first, second, limit, ...expected }) => {
      const pair = golden.texts[second]!;
      const { ids, typeIds } = plain.encode(golden.texts[first]!, { pair, maxLength: limit ?? undefined });
      expect({ ids: [...ids], typeIds: [...typeIds] }).toEqual(expected);
    },
  );

  it.each<[string, TextRules]>([
    ['nfc', { normalization: 'NFC' }],
    ['nfkd', { normalization: 'NFKD' }],
    ['lowercase', { lowercase: true }],
    ['addPrefixSpace', { addPrefixSpace: true }],
    ['individualDigits', { individualDigits: true }],
  ])('follows Hugging Face tokenizers with %s', (name, rules) => {
    const other = tokenizer(rules);
    const ids = golden.texts.map((text) => [...other.encode(text, { addSpecialTokens: false }).ids]);
    expect(ids).toEqual(golden.variants[name]);
  });

  it('cuts at the length of the definition, and reads no more of a text than it needs', () => {
    const short = tokenizer({ maxLength: 16, template: '[CLS] $A' });
    const text = 'many words '.repeat(1 << 19);
    const seconds = (encode: () => void): number => {
      const before = performance.now();
      encode();
      return performance.now() - before;
    };
    expect(short.encode(text).ids).toEqual(short.encode(text.slice(0, 400)).ids);
    expect(short.encode(text).ids).toHaveLength(16);
    const whole = seconds(() => short.encode(text, { maxLength: Infinity }));
    expect(seconds(() => short.encode(text))).toBeLessThan(whole / 2);
  });

  it('has nothing to say about no text', () => {
    expect(tokenizer({ template: '$A' }).encode('').ids).toHaveLength(0);
    expect([...tokenizer({ addPrefixSpace: true }).encode('', { addSpecialTokens: false }).ids]).toEqual([]);
  });

  it('gives the same ids whatever was encoded before', () => {
    const next = random(5);
    const used = tokenizer();
    const letters = (number: number): string =>
      number.toString().replaceAll(/\d/g, (digit) => String.fromCharCode(97 + Number(digit)));
    const text = randomText(next, 400);
    const expected = tokenizer().encode(text);
    const wrong: string[] = [];
    const encode = (word: string): void => {
      if (used.decode(used.encode(word).ids) !== word) wrong.push(word);
    };
    for (let round = 0; round < 3; round++) {
      expect(used.encode(text)).toEqual(expected);
      // More distinct words than the cache holds, then more characters.
      for (let word = 0; word < 40_000; word++) encode(` ${letters(word)}`);
      for (let word = 0; word < 20_000; word++) encode(letters(word).padEnd(44, 'y'));
    }
    expect(wrong).toEqual([]);
  });

  it('takes bounded time on words of a megabyte', () => {
    const before = performance.now();
    for (const text of ['a'.repeat(1 << 20), '世'.repeat(1 << 18), 'ab'.repeat(1 << 19)]) {
      expect(plain.decode(plain.encode(text).ids)).toBe(text);
    }
    expect(performance.now() - before).toBeLessThan(8000);
  });

  it('takes white space beside tokens that ask for it', () => {
    const { added, ...rest } = tokenizer().definition;
    const strips = (flags: object): Tokenizer =>
      new Tokenizer({
        ...rest,
        added: added.map((token) => (token.content === '[MASK]' ? { ...token, ...flags } : token)),
      });
    const tokens = (flags: object): string =>
      strips(flags).decode(strips(flags).encode('a \n[MASK] \t b').ids, { skipSpecialTokens: false });
    expect(tokens({})).toBe('[CLS]a \n[MASK] \t b[SEP]');
    expect(tokens({ lstrip: true })).toBe('[CLS]a[MASK] \t b[SEP]');
    expect(tokens({ rstrip: true })).toBe('[CLS]a \n[MASK]b[SEP]');
  });

  it('writes the unknown token for bytes without one, or nothing', () => {
    const small = trainBpe(['abab'], { initialAlphabet: [], specialTokens: ['[UNK]'] });
    const withUnknown = new Tokenizer(defineTokenizer(small, { roles: { unk: '[UNK]' } }));
    const without = new Tokenizer(defineTokenizer(small, { roles: {} }));
    expect([...withUnknown.encode('abxab').ids]).toEqual([3, 0, 3]);
    expect([...without.encode('abxab').ids]).toEqual([small.tokens.indexOf('abab')]);
  });
});

describe('decode', () => {
  it('gives 2,000 random texts back, lone surrogates as U+FFFD', () => {
    const next = random(6);
    const plain = tokenizer();
    for (let i = 0; i < 2000; i++) {
      const text = randomText(next, 40);
      const { ids } = plain.encode(text, { addSpecialTokens: false });
      expect(plain.decode(ids, { skipSpecialTokens: false })).toBe(text.toWellFormed());
    }
  });

  it('leaves out special tokens unless asked not to', () => {
    const plain = tokenizer();
    const { ids } = plain.encode('a [SEP] b');
    expect(plain.decode(ids)).toBe('a  b');
    expect(plain.decode(ids, { skipSpecialTokens: false })).toBe('[CLS]a [SEP] b[SEP]');
  });

  it('writes U+FFFD for a character cut in two, and keeps a byte order mark', () => {
    const plain = tokenizer();
    const { ids } = plain.encode('\ufeff😀', { addSpecialTokens: false });
    expect(plain.decode(ids)).toBe('\ufeff😀');
    expect(plain.decode(ids.subarray(0, ids.length - 1))).toBe('\ufeff\ufffd');
  });

  it('refuses ids that no token has', () => {
    for (const id of [1500, -1, 0.5]) {
      expect(() => tokenizer().decode([5, id])).toThrow(
        expect.objectContaining({
          code: 'TOKENIZER_E_ID',
          message: `expected a token id in [0, 1500), received ${id}`,
        }),
      );
    }
  });
});

describe('mergeWord', () => {
  /** The definition, word for word. */
  function slow(symbols: number[], merges: readonly (readonly [number, number, number])[]): number[] {
    for (;;) {
      const ranks = symbols.slice(1).map((right, i) => merges.findIndex(([a, b]) => a === symbols[i] && b === right));
      const best = Math.min(...ranks.filter((rank) => rank >= 0));
      if (best === Infinity) return symbols;
      symbols.splice(ranks.indexOf(best), 2, merges[best]![2]);
    }
  }

  it('joins the lowest rank first, from the left, in words short and long', () => {
    const next = random(7);
    for (let round = 0; round < 300; round++) {
      const merges = Array.from({ length: 12 }, (_, i) => {
        const any = (): number => Math.floor(next() * (3 + i));
        return [any(), any(), 3 + i] as const;
      }).filter(([a, b], i, all) => all.findIndex(([c, d]) => a === c && b === d) === i);
      const word = Int32Array.from({ length: 1 + Math.floor(next() * 70) }, () => Math.floor(next() * 3));
      const out = new IdList();
      const expected = slow([...word], merges);
      mergeWord(word, word.length, new MergeRules(merges), out);
      expect([...out.data.subarray(0, out.length)]).toEqual(expected);
    }
  });
});

describe('bytes', () => {
  it('spells every byte as one character and back', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    expect(new Set(byteAlphabet()).size).toBe(256);
    expect(tokenToBytes(bytesToToken(bytes))).toEqual(bytes);
    // The table of GPT-2 (Radford et al., 2019): space Ġ, line feed Ċ, tab ĉ, NUL Ā, soft hyphen Ń.
    expect([0x20, 0x0a, 0x09, 0, 0xad, 0x41].map((byte) => byteAlphabet()[byte])).toEqual([
      'Ġ',
      'Ċ',
      'ĉ',
      'Ā',
      'Ń',
      'A',
    ]);
    expect(tokenToBytes('世')).toBeUndefined();
  });
});

describe('templates', () => {
  it('reads and writes the notation', () => {
    const pieces = parseTemplate('[CLS] $A [SEP] $B:1 [SEP]:1');
    expect(pieces[2]).toEqual({ kind: 'special', token: '[SEP]', typeId: 0 });
    expect(pieces[3]).toEqual({ kind: 'sequence', sequence: 'B', typeId: 1 });
    expect(formatTemplate(pieces)).toBe('[CLS] $A [SEP] $B:1 [SEP]:1');
  });

  it.each(['', '[CLS]', '$B', '$A $A'])('refuses %j', (template) => {
    expect(() => parseTemplate(template)).toThrow(expect.objectContaining({ code: 'TOKENIZER_E_TEMPLATE' }));
  });

  it.each([
    [{ template: '$A $B' }, 'TOKENIZER_E_TEMPLATE'],
    [{ pairTemplate: '[CLS] $A' }, 'TOKENIZER_E_TEMPLATE'],
    [{ template: '<s> $A' }, 'TOKENIZER_E_VOCABULARY'],
  ])('refuses a tokenizer with %o', (options, code) => {
    expect(() => tokenizer(options)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses a length that the special tokens fill', () => {
    expect(tokenizer().encode('text', { maxLength: 2 }).ids).toHaveLength(2);
    for (const maxLength of [1, -5, 3.5, Number.NaN]) {
      expect(() => tokenizer().encode('text', { maxLength })).toThrow(
        expect.objectContaining({ code: 'TOKENIZER_E_OPTION', path: ['maxLength'] }),
      );
    }
  });
});

describe('a tokenizer', () => {
  it('knows its size, tokens and roles', () => {
    const plain = tokenizer({ extraTokens: ['<extra>'] });
    expect(plain.vocabSize).toBe(1501);
    expect(plain.idOf('<extra>')).toBe(1500);
    expect([plain.roleId('pad'), plain.roleId('cls'), plain.roleId('bos')]).toEqual([0, 2, undefined]);
  });

  it('refuses merges and roles of tokens that do not exist', () => {
    const { definition } = tokenizer();
    for (const broken of [
      { ...definition, merges: [['x', 'Ġnowhere'] as const] },
      { ...definition, roles: { pad: '<pad>' } },
      { ...definition, unknown: '<unk>' },
    ]) {
      expect(() => new Tokenizer(broken)).toThrow(expect.objectContaining({ code: 'TOKENIZER_E_VOCABULARY' }));
    }
  });
});
