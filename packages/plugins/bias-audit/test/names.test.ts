import { random } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { doubtOf, readCorpus } from '../src/names/corpus.ts';
import { createFinder } from '../src/names/find.ts';
import { createLexicon, titleCase } from '../src/names/groups.ts';
import { swapNames } from '../src/names/swap.ts';

const lexicon = createLexicon(
  new Map([
    ['female', ['Mary', 'Anna', 'Grace', 'May', 'Joy', 'Zoë', 'Kim', 'Virginia', 'Ruth', 'Olga', 'Tina']],
    ['male', ['John', 'Peter', 'Will', 'Mark', 'Al', 'BRIAN', 'Kim', 'Jean-Paul', 'Ben', 'Karl', 'Otto', 'Paul']],
  ]),
);

/** Names found in a text, in data where `extra` is written as well. */
function namesIn(text: string, { extra = '', limit = 10_000 } = {}): string[] {
  const corpus = readCorpus([text, extra]);
  return createFinder(lexicon, corpus, doubtOf(corpus, []))
    .find(text, limit)
    .map(({ start, end }) => text.slice(start, end));
}

describe('createLexicon', () => {
  it('knows the group of each name, and leaves out names of several groups or words', () => {
    expect(lexicon.groupOf.get('Mary')).toBe(0);
    expect(lexicon.groupOf.get('Brian')).toBe(1);
    expect(lexicon.groupOf.has('Kim')).toBe(false);
    expect(lexicon.shared).toEqual(new Set(['Kim']));
    expect([...lexicon.groupOf.keys()].filter((name) => name.startsWith('Jean'))).toEqual([]);
    expect(lexicon.names[1]).toEqual([...lexicon.names[1]!].sort());
  });

  it('needs two names of each group', () => {
    const lists = new Map([
      ['a', ['Mary', 'Anna', 'Eva']],
      ['b', ['Mary', 'Peter', 'peter']],
    ]);
    expect(() => createLexicon(lists)).toThrow(
      expect.objectContaining({
        code: 'BIAS_AUDIT_E_GROUP',
        message: 'group `b` needs at least two names that no other group has, received 1',
        path: ['groups', 'b'],
      }),
    );
  });

  it('writes names with one capital', () => {
    expect(['MARY', 'élodie', 'o', ''].map(titleCase)).toEqual(['Mary', 'Élodie', 'O', '']);
  });
});

describe('names in a text', () => {
  it.each<[string, string[]]>([
    ['Peter wrote that Mary was in.', ['Peter', 'Mary']],
    ["Mary's book, Peter’s car", ['Mary', 'Peter']],
    ['From: PETER\nMARY: hello', ['PETER', 'MARY']],
    ['Zoë and Zo\u00eb.', ['Zoë', 'Zoë']],
    ['peter@example.com, Peter@example.com, www.Peter.com, /home/Peter, Peter_1, Peter2', []],
    ['Peterson, Mary-Ann, Jean-Paul, McPeter, anti-Peter', []],
    ["O'Peter and Peter'd", []],
    ['mary and pEter', []],
    ['Kim is in both lists', []],
    ['John Peter, John Q. Peter, Kim Peter and Wanda Peter', ['John', 'John']],
    ['Dear Kim, hi Peter', ['Peter']],
    ['BEN and AL went to the JOHN', ['JOHN']],
  ])('%j', (text, names) => {
    expect(namesIn(text, { extra: 'went both lists book car' })).toEqual(names);
  });

  it.each<[string, string[]]>([
    ['Will you come? May I? Mark this. Grace and joy. Al', []],
    ['Dear Will, hello May! Mr. Mark, Ms Grace; thanks Joy', ['Will', 'May', 'Mark', 'Grace', 'Joy']],
    ['Mark Zimmer and Grace T. Hopper', ['Mark', 'Grace']],
    ['May Zimmer and Virginia Zimmer', []],
    ['Grace Period', []],
  ])('doubtful names need a context: %j', (text, names) => {
    expect(namesIn(text, { extra: 'a grace period, come this time' })).toEqual(names);
  });

  it('are doubtful where the data writes them in lower case', () => {
    const extra = 'The Peter. The Peter.';
    expect(namesIn('Here comes Peter today', { extra })).toEqual(['Peter']);
    expect(namesIn('Here comes Peter today', { extra: `${extra} a peter` })).toEqual([]);
    expect(namesIn('Here comes Peter Zimmer', { extra: `${extra} a peter` })).toEqual(['Peter']);
    // Mostly in lower case: a surname is not enough.
    expect(namesIn('Here comes Peter Zimmer', { extra: 'peter peter peter' })).toEqual([]);
    // Addresses and shouting tell nothing.
    expect(namesIn('Here comes Peter today', { extra: 'peter@a.b peter@c.d /peter/ PETER' })).toEqual(['Peter']);
  });

  it('are doubtful when the options say so', () => {
    const corpus = readCorpus([]);
    expect(doubtOf(corpus, ['peter'])('Peter')).toBe('word');
    expect(doubtOf(corpus, [])('Peter')).toBe('clear');
  });

  it('count up to the limit only', () => {
    expect(namesIn('Peter and Mary', { limit: 10 })).toEqual(['Peter']);
  });

  it('takes time in proportion to the text, whatever it is', () => {
    const corpus = readCorpus([]);
    const finder = createFinder(lexicon, corpus, doubtOf(corpus, []));
    const time = (text: string): number => {
      const start = performance.now();
      finder.find(text, text.length);
      readCorpus([text]);
      return performance.now() - start;
    };
    for (const piece of ['A', 'Mary ', 'a. ', ' \t', "Mary'", 'Mary.', '\u0301', 'P. ']) {
      expect(time(piece.repeat(200_000 / piece.length))).toBeLessThan(1500);
    }
  });
});

describe('swapNames', () => {
  const corpus = readCorpus([]);
  const finder = createFinder(lexicon, corpus, doubtOf(corpus, []));
  const pools = [
    ['Mary', 'Anna', 'Zoë'],
    ['John', 'Peter', 'Brian'],
  ];
  const swap = (text: string, shift: number, key: number | string = 0) =>
    swapNames(text, finder.find(text, text.length), shift, pools, random(1, key));

  it('keeps everything but the names: possessives, case, what is around', () => {
    const text = "PETER, Peter's car; peter@x.org saw Mary (mary).";
    const { text: swapped, names } = swap(text, 1);
    const other = names.get('Peter')!;
    expect(pools[0]).toContain(other);
    expect(pools[1]).toContain(names.get('Mary'));
    expect(swapped).toBe(`${other.toUpperCase()}, ${other}'s car; peter@x.org saw ${names.get('Mary')} (mary).`);
  });

  it('stays in the group as a control, never with the same name', () => {
    for (let key = 0; key < 50; key++) {
      const { names } = swap('Peter met Mary', 0, key);
      expect(['John', 'Brian']).toContain(names.get('Peter'));
      expect(['Anna', 'Zoë']).toContain(names.get('Mary'));
    }
  });

  it('gives different people different names', () => {
    for (let key = 0; key < 50; key++) {
      const { names } = swap('John, Peter and Brian', 1, key);
      expect(new Set(names.values()).size).toBe(3);
    }
  });

  it('makes do with a pool that is too small for all', () => {
    const { names } = swapNames(
      'Mary, Anna',
      finder.find('Mary, Anna', 99),
      0,
      [
        ['Mary', 'Anna'],
        ['John', 'Peter'],
      ],
      random(1),
    );
    expect([...names]).toEqual([
      ['Mary', 'Anna'],
      ['Anna', 'Mary'],
    ]);
  });

  it('depends on the stream alone', () => {
    expect(swap('Peter met Mary', 1, 'a')).toEqual(swap('Peter met Mary', 1, 'a'));
    const texts = Array.from({ length: 20 }, (_, key) => swap('Peter met Mary', 1, key).text);
    expect(new Set(texts).size).toBeGreaterThan(3);
  });

  it('found again, the new names are of the other group, as often as the old', () => {
    const words = ['Peter', 'Mary', 'Brian', 'Anna', 'met', 'and', 'JOHN', "Zoë's", 'saw,', '\n'];
    const stream = random(5, 'texts');
    for (let n = 0; n < 50; n++) {
      const text = [...stream.words(30)].map((word) => words[word % words.length]).join(', ');
      const before = finder.find(text, text.length);
      const fresh = [
        ['Olga', 'Tina', 'Mary', 'Anna', 'Ruth'],
        ['Karl', 'Otto', 'Paul', 'Peter', 'Brian'],
      ];
      const { text: swapped } = swapNames(text, before, 1, fresh, random(2, n));
      const after = finder.find(swapped, swapped.length);
      expect(after.map(({ group, upperCase }) => [1 - group, upperCase])).toEqual(
        before.map(({ group, upperCase }) => [group, upperCase]),
      );
      const firstUses = (names: typeof before) => names.map(({ name }) => names.findIndex((x) => x.name === name));
      expect(firstUses(after)).toEqual(firstUses(before));
    }
  });
});
