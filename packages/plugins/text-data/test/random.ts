/** Seeded generator for property tests (xorshift32): the same cases on every run. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** Integer in [0, limit). */
  int(limit: number): number;
  pick<T>(items: readonly T[]): T;
}

export function createRandom(seed: number): Random {
  let state = (seed * 2654435761 + 1) | 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const int = (limit: number): number => Math.floor(next() * limit);
  return { next, int, pick: (items) => items[int(items.length)]! };
}

/** A text of `length` words drawn from `vocabulary` words, the frequent ones more often. */
export function randomText(random: Random, length: number, vocabulary: number = 5000): string {
  return Array.from({ length }, () => `w${Math.floor(random.next() ** 2 * vocabulary)}`).join(' ');
}
