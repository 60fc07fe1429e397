/** Disjoint sets over the integers from 0. */
export interface UnionFind {
  /** Adds one more integer as a set of its own and returns it. */
  add(): number;
  /** The least member of the set of `item`. */
  find(item: number): number;
  /** Joins two sets; returns whether they were apart. */
  union(a: number, b: number): boolean;
}

/** Union-find with path halving; the root is the least member, so results do not depend on the order of unions. */
export function createUnionFind(): UnionFind {
  const parent: number[] = [];
  const find = (item: number): number => {
    let at = item;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  return {
    add: () => parent.push(parent.length) - 1,
    find,
    union(a, b) {
      const rootA = find(a);
      const rootB = find(b);
      if (rootA === rootB) return false;
      parent[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
      return true;
    },
  };
}
