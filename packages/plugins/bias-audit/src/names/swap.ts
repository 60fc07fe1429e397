import type { Random } from '@anneal/core';

import type { Occurrence } from './find.ts';

/** A text whose names were replaced. */
export interface Swapped {
  readonly text: string;
  /** New names by old. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * Replaces every name by one of the group that is `shift` groups further; 0 stays in the group. The same name becomes
 * the same new name, different names become different ones where the group has enough, and no name stays.
 *
 * @param pools Names to put in, by group, at least two each.
 */
export function swapNames(
  text: string,
  occurrences: readonly Occurrence[],
  shift: number,
  pools: readonly (readonly string[])[],
  stream: Random,
): Swapped {
  const names = new Map<string, string>();
  // A name that the text has already would turn two people into one.
  const taken = new Set(occurrences.map(({ name }) => name));
  for (const { name, group } of occurrences) {
    if (names.has(name)) continue;
    const pool = pools[(group + shift) % pools.length] as readonly string[];
    const chosen = pick(pool, taken, name, stream);
    names.set(name, chosen);
    taken.add(chosen);
  }
  let swapped = '';
  let at = 0;
  for (const { start, end, name, upperCase } of occurrences) {
    const chosen = names.get(name) as string;
    swapped += text.slice(at, start) + (upperCase ? chosen.toLocaleUpperCase('en') : chosen);
    at = end;
  }
  return { text: swapped + text.slice(at), names };
}

const TRIES = 32;

/** A random name that is not taken; in a small pool, at least another one. */
function pick(pool: readonly string[], taken: ReadonlySet<string>, not: string, stream: Random): string {
  const draw = (from: readonly string[]): string => {
    const [word] = stream.words(1);
    return from[Math.floor(((word as number) / 2 ** 32) * from.length)] as string;
  };
  for (let i = 0; i < TRIES; i++) {
    const name = draw(pool);
    if (!taken.has(name)) return name;
  }
  const free = pool.filter((name) => !taken.has(name));
  return draw(free.length > 0 ? free : pool.filter((name) => name !== not));
}
