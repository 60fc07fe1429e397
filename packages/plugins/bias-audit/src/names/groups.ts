import { problem } from '../problems.ts';

/** First names and the group of each. */
export interface Lexicon {
  /** Groups in the order of the options. */
  readonly groups: readonly string[];
  /** Index of the group by name, as `titleCase` writes it. */
  readonly groupOf: ReadonlyMap<string, number>;
  /** Names by group, sorted. */
  readonly names: readonly (readonly string[])[];
  /** Names that were in several groups, and are in none now. */
  readonly shared: ReadonlySet<string>;
}

/** A name with its first letter upper and the rest lower case: the key of a lexicon. */
export function titleCase(name: string): string {
  const [first = ''] = name;
  return first.toLocaleUpperCase('en') + name.slice(first.length).toLocaleLowerCase('en');
}

/** Names of one word: only these can be found and put in without changing how many words a text has. */
const SINGLE_WORD = /^\p{L}\p{M}*(?:\p{L}\p{M}*)+$/u;

/**
 * Groups the names; those that more than one group has are of none.
 *
 * @throws AnnealError `BIAS_AUDIT_E_GROUP` when fewer than two names of a group are left.
 */
export function createLexicon(lists: ReadonlyMap<string, readonly string[]>): Lexicon {
  const groups = [...lists.keys()];
  const owners = new Map<string, Set<number>>();
  [...lists.values()].forEach((names, group) => {
    for (const name of names) {
      const key = titleCase(name.trim().normalize('NFC'));
      if (!SINGLE_WORD.test(key)) continue;
      const own = owners.get(key) ?? new Set<number>();
      owners.set(key, own.add(group));
    }
  });
  const groupOf = new Map<string, number>();
  for (const [name, own] of owners) if (own.size === 1) groupOf.set(name, [...own][0] as number);
  const names = groups.map((_, group) => [...groupOf].flatMap(([name, own]) => (own === group ? [name] : [])).sort());
  names.forEach((own, group) => {
    if (own.length >= 2) return;
    throw problem(
      'BIAS_AUDIT_E_GROUP',
      `group \`${groups[group]}\` needs at least two names that no other group has, received ${own.length}`,
      { path: ['groups', groups[group] as string] },
    );
  });
  const shared = new Set([...owners.keys()].filter((name) => !groupOf.has(name)));
  return { groups, groupOf, names, shared };
}
