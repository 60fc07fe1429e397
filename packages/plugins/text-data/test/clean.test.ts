import { describe, expect, it } from 'vitest';
import { CLEAN_RULES, createCleaner, DEFAULT_CLEAN_RULES } from '../src/index.ts';
import { createRandom } from './random.ts';

const CASES: Readonly<Record<string, readonly (readonly [before: string, after: string])[]>> = {
  mojibake: [['itâ€™s', 'it’s']],
  'c1-controls': [['\u0093quoted\u0094 \u0096 \u0085', '“quoted” – …']],
  nfc: [['cafe\u0301', 'caf\u00e9']],
  'line-breaks': [['a\r\nb\rc\fd\u2028e\u0085f', 'a\nb\nc\nd\ne\nf']],
  controls: [
    ['a\u0000b\u0007c\u001bd\u007fe\ttab\nline', 'abcde\ttab\nline'],
    ['lone \ud800 and \udfff, \ufdd0\uffff', 'lone  and , '],
    ['pair \u{1f600} stays', 'pair \u{1f600} stays'],
  ],
  invisible: [
    ['v\u200bi\u00adag\u2060ra\ufeff \u202eabc\u202c', 'viagra abc'],
    ['f\u200cre\u200de', 'free'],
    [
      '\u{1f469}\u200d\u{1f4bb} \u{1f469}\u{1f3fd}\u200d\u{1f4bb} ❤\ufe0f',
      '\u{1f469}\u200d\u{1f4bb} \u{1f469}\u{1f3fd}\u200d\u{1f4bb} ❤\ufe0f',
    ],
    ['\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'],
    ['क्\u200dष', 'क्\u200dष'],
    ['hi\u{e0068}\u{e0069} \u{1f3f4}\u{e0067}\u{e0062}\u{e007f}', 'hi \u{1f3f4}\u{e0067}\u{e0062}\u{e007f}'],
  ],
  whitespace: [['  a\t\u00a0 b  \n\n\n\n  c \n d\u3000', 'a b\n\nc\nd']],
  emails: [['write to Jo.Doe+x@mail.example.co.uk, or a@b', 'write to <email>, or <email>']],
  urls: [['see https://example.org/a?b=c#d or WWW.Example.com <http://x.y>', 'see <url> or <url> <<url>>']],
  numbers: [['call 5551234 by 12', 'call <number> by 12']],
};

describe('CLEAN_RULES', () => {
  it('has a case here for each rule, and each rule says what it does', () => {
    expect(Object.keys(CASES)).toEqual(CLEAN_RULES.map((rule) => rule.name));
    for (const rule of CLEAN_RULES) expect(rule.description).toMatch(/^[A-Z].+\.$/);
    expect(CLEAN_RULES.map((rule) => rule.name)).toEqual(expect.arrayContaining([...DEFAULT_CLEAN_RULES]));
  });

  it.each(CLEAN_RULES)('$name', (rule) => {
    for (const [before, after] of CASES[rule.name]!) {
      expect(rule.apply(before)).toBe(after);
      expect(rule.apply(after)).toBe(after);
    }
  });

  it('are idempotent together on random Unicode', () => {
    const random = createRandom(3);
    const ranges = [
      [0x20, 0x7e],
      [0x80, 0x17f],
      [0x0, 0x1f],
      [0x2000, 0x206f],
      [0xd7f0, 0xe010],
      [0xfe00, 0xffff],
      [0x1f3f0, 0x1f600],
      [0xe0000, 0xe0080],
    ] as const;
    // Removing what is invisible may join a letter and a symbol into what looks misread: that rule is tested apart.
    const cleaner = createCleaner({ minLength: 0, rules: DEFAULT_CLEAN_RULES.filter((name) => name !== 'mojibake') });
    for (let round = 0; round < 3000; round++) {
      const codes = Array.from({ length: random.int(20) }, () => {
        const [first, last] = random.pick(ranges);
        return first + random.int(last - first + 1);
      });
      const once = cleaner.clean(String.fromCodePoint(...codes)).text;
      expect(cleaner.clean(once).text, JSON.stringify(once)).toBe(once);
      expect(once.isWellFormed?.() ?? true).toBe(true);
    }
  });
});

describe('createCleaner', () => {
  it('runs the chosen rules in table order and counts the texts that each changed', () => {
    const cleaner = createCleaner({ rules: ['whitespace', 'controls'] });
    expect(cleaner.clean('a \u0000 b')).toEqual({ ok: true, text: 'a b' });
    expect(cleaner.clean('a  b')).toEqual({ ok: true, text: 'a b' });
    expect(cleaner.clean('a\u200b')).toEqual({ ok: true, text: 'a\u200b' });
    expect(cleaner.changed).toEqual({ controls: 1, whitespace: 2, truncated: 0 });
  });

  it('drops short texts, judged after cleaning', () => {
    const cleaner = createCleaner({ minLength: 3 });
    expect(cleaner.clean(' ab\u200b ')).toEqual({ ok: false, reason: 'too-short', text: 'ab' });
    expect(cleaner.clean(' abc ').ok).toBe(true);
    expect(createCleaner().clean(' \n ').ok).toBe(false);
  });

  it('cuts long texts at a blank, never inside a surrogate pair', () => {
    const cleaner = createCleaner({ maxLength: 20 });
    expect(cleaner.clean('one two three four five')).toEqual({ ok: true, text: 'one two three four' });
    expect(cleaner.clean('x'.repeat(19) + '\u{1f600}')).toEqual({ ok: true, text: 'x'.repeat(19) });
    expect(cleaner.clean('x'.repeat(20))).toEqual({ ok: true, text: 'x'.repeat(20) });
    expect(cleaner.changed['truncated']).toBe(2);
  });

  it('takes time in proportion to the text', () => {
    const cleaner = createCleaner({ rules: CLEAN_RULES.map((rule) => rule.name) });
    const hostile = [
      'a'.repeat(300_000),
      ' '.repeat(300_000),
      '\n'.repeat(300_000),
      '\u200d'.repeat(300_000),
      'a.'.repeat(150_000) + '@',
      '\u{1f3f4}\u{e0067}'.repeat(60_000),
    ];
    const start = performance.now();
    for (const text of hostile) cleaner.clean(text);
    expect(performance.now() - start).toBeLessThan(3000);
  });
});
