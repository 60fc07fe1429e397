/** A seeded generator of numbers in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What random texts are made of: each piece has broken some tokenizer. */
const PIECES: readonly string[] = [
  ...Array.from('aAbzZ019.,;:!?-_=+*/\\|<>()[]{}"\'`~@#$%^&'),
  ...Array.from(' \t\n\r\v\f\0\u0007\u007f\u0085\u00a0\u1680\u2003\u2028\u3000\ufeff\u200b\u200d\u00ad'),
  ...Array.from('éüßøΣσİıŁ世界こは안ก์हि٣½Ⅷªºм'),
  'e\u0301',
  'n\u0303\u0300',
  '😀',
  '👨‍👩‍👧',
  '🇨🇭',
  '𠮷',
  '𝟘',
  '𐐷',
  '\u{10ffff}',
  '\ud800',
  '\udc00',
  '\udfff\ud800',
  "'s",
  "'ll",
  "'re",
  " 've",
  '  ',
  '\r\n',
  '   \n',
  '[CLS]',
  '[SEP]',
  '[MASK',
  'the ',
  ' and',
  'http://',
  'TWFu',
];

/** Text of up to `most` pieces. */
export function randomText(next: () => number, most: number): string {
  const length = Math.floor(next() * (most + 1));
  return Array.from({ length }, () => PIECES[Math.floor(next() * PIECES.length)]!).join('');
}
