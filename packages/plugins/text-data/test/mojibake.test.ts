import { describe, expect, it } from 'vitest';
import { repairMojibake } from '../src/index.ts';
import { createRandom } from './random.ts';

/** Sentences of many languages and scripts, as their authors wrote them. */
const SENTENCES = [
  'Voix ambiguë d’un cœur qui au zéphyr préfère les jattes de kiwis',
  'Victor jagt zwölf Boxkämpfer quer über den großen Sylter Deich',
  'El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío, ¿añoraba?',
  'À noite, vovô Kowalsky vê o ímã cair no pé do pingüim queixoso',
  'Flygande bäckasiner söka hwila på mjuka tuvor',
  'Pchnąć w tę łódź jeża lub ośm skrzyń fig',
  'Příliš žluťoučký kůň úpěl ďábelské ódy',
  'Árvíztűrő tükörfúrógép',
  'Съешь же ещё этих мягких французских булок',
  'Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία',
  'דג סקרן שט בים מאוכזב ולפתע מצא חברה',
  'نص حكيم له سر قاطع وذو شأن عظيم',
  'ऋषियों को सताने वाले दुष्ट राक्षसों',
  'いろはにほへと ちりぬるを 色は匂へど',
  '我能吞下玻璃而不伤身体',
  '다람쥐 헌 쳇바퀴에 타고파',
  'It costs 5 € — “really”, he’s sure… 20 °C, ½ litre, © 2002',
  'party 🎉 with 👩‍💻 and ☕',
];

/** Real text in which a pair of characters would also be valid UTF-8. */
const LEGITIMATE = [
  'MITÄ…',
  'CAFÉ” was closed',
  '« voilà »',
  'Il est arrivé… »',
  'DIE STRAß– sagte er',
  'NÉŽ PŘÍŠTÍ ROK',
  'IRMû disse ela',
  'IRMÃ” disse ela',
  '5 × 3 = 15, ±2 °C, Å²',
  'ÀÉÎÕÜ àéîõü ß ÿ',
  'naïve café, Ångström, señor, Übermut',
  // GBK, Big5 and EUC-KR read as Latin-1: broken, but not UTF-8.
  '±¾ÓÊ¼þÓÉËÑÒ×Ê×´´¡°ÎÞÐèSMTPÈº·¢Æ÷¡±·¢ËÍ£¬ÄÚÈÝÓë±¾¹«Ë¾ÎÞ¹Ø¡£',
  '¤£¦n·N«ä¥´ÅÍ±z¡I¦pªG¥»¼s§i«H¹ï±z²£¥Í§xÂZ',
  '(±¤°í)½Å»ç¾÷!!..¿ø°Å¸® °¨½Ã ½Ã½ºÅÛ',
];

/** Windows-1252 from 0x80 to 0x9f, by the WHATWG Encoding Standard. */
const UPPER = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function misread(text: string, charset: 'latin1' | 'windows-1252'): string {
  const latin1 = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
  return charset === 'latin1' ? latin1 : latin1.replace(/[\x80-\x9f]/g, (c) => UPPER[c.charCodeAt(0) - 0x80]!);
}

describe('repairMojibake', () => {
  it.each(SENTENCES)('repairs what was read in the wrong charset, once or twice: %s', (sentence) => {
    for (const charset of ['latin1', 'windows-1252'] as const) {
      const once = misread(sentence, charset);
      expect(once).not.toBe(sentence);
      expect(repairMojibake(once)).toBe(sentence);
      expect(repairMojibake(misread(once, charset))).toBe(sentence);
    }
  });

  it.each([...SENTENCES, ...LEGITIMATE])('leaves correct text alone: %s', (sentence) => {
    expect(repairMojibake(sentence)).toBe(sentence);
  });

  it('repairs broken words inside a line that has correct ones', () => {
    expect(repairMojibake('café costs Â£3 and itâ€™s good')).toBe('café costs £3 and it’s good');
  });

  it('decides a doubtful line by the lines around it', () => {
    expect(repairMojibake('dÃ©jÃ\u00a0 vu\nvoilÃ\u00a0')).toBe('déjà vu\nvoilà');
    expect(repairMojibake('voilÃ\u00a0')).toBe('voilÃ\u00a0');
  });

  it('removes a misread byte order mark', () => {
    expect(repairMojibake('ï»¿Hello')).toBe('\ufeffHello');
  });

  it('is idempotent, and never touches ASCII, on random strings of the critical characters', () => {
    const random = createRandom(7);
    const alphabet = Array.from(
      'aZ \n\u0080\u0093\u00a0\u00a9\u00bb\u00c2\u00c3\u00c4\u00e2\u00e9\u00f0\u20ac\u2122\u201c\u0161€\u{1f600}',
    );
    for (let round = 0; round < 3000; round++) {
      const text = Array.from({ length: random.int(12) }, () => random.pick(alphabet)).join('');
      const repaired = repairMojibake(text);
      expect(repairMojibake(repaired), JSON.stringify(text)).toBe(repaired);
      expect(repaired.replace(/\P{ASCII}/gu, '')).toBe(text.replace(/\P{ASCII}/gu, ''));
    }
  });

  it('takes time in proportion to the text', () => {
    const hostile = 'Ã'.repeat(400_000) + 'â€'.repeat(200_000) + 'Ã©é'.repeat(200_000);
    const start = performance.now();
    repairMojibake(hostile);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
