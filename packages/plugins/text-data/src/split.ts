import { unitHash } from './dedup/hash.ts';

/** One row as the splitter sees it. */
export interface SplitRow {
  /** Unique and stable name of the row: the split depends on names, not on positions. */
  readonly id: string;
  /** Rows with the same stratum are divided in the given ratios, e.g. label and group together. */
  readonly stratum: string;
  /** Rows of one cluster stay together; any value that identifies the cluster. */
  readonly cluster: number;
}

/** Options of {@link splitRows}. */
export interface SplitOptions {
  /** Share of each split by name; shares are divided by their sum. @defaultValue `{ train: 0.8, validation: 0.1, test: 0.1 }` */
  readonly ratios?: Readonly<Record<string, number>> | undefined;
  /**
   * `'balanced'`: ratios are met within every stratum to within its largest cluster; rows added later move few others.
   * `'stable'`: a cluster's split depends on nothing but its own rows and the seed; ratios are met on average only.
   * @defaultValue `'balanced'`
   */
  readonly method?: 'balanced' | 'stable' | undefined;
  /** @defaultValue `0` */
  readonly seed?: number | undefined;
}

/** Ratios when none are given. */
export const DEFAULT_RATIOS: Readonly<Record<string, number>> = { train: 0.8, validation: 0.1, test: 0.1 };

interface Cluster {
  readonly rows: number[];
  readonly stratum: string;
  /** Where the cluster stands in its stratum's random order, from 0 to 1. */
  readonly place: number;
}

/**
 * The split of every row, in the order of `rows`. Each cluster is a point in [0, 1) given by a hash of the seed and its
 * least id; `'balanced'` sorts a stratum's clusters by that point and cuts at the ratios, `'stable'` cuts [0, 1) itself.
 * So the result does not depend on the order of the rows, and rows of one cluster never part.
 */
export function splitRows(rows: readonly SplitRow[], options: SplitOptions = {}): string[] {
  const { ratios = DEFAULT_RATIOS, method = 'balanced', seed = 0 } = options;
  const cuts = cumulative(ratios);
  const result = rows.map(() => '');
  for (const clusters of byStratum(rows, seed).values()) {
    const total = clusters.reduce((sum, cluster) => sum + cluster.rows.length, 0);
    let before = 0;
    for (const cluster of clusters) {
      const size = cluster.rows.length;
      // The middle of the cluster decides, so a cut is missed by at most half a cluster.
      const position = method === 'stable' ? cluster.place : (before + size / 2) / total;
      const split = cuts.find(([, end]) => position < end)?.[0] ?? cuts.at(-1)![0];
      for (const row of cluster.rows) result[row] = split;
      before += size;
    }
  }
  return result;
}

/** Ends of the splits in [0, 1], splits without a share left out. */
function cumulative(ratios: Readonly<Record<string, number>>): [name: string, end: number][] {
  const shares = Object.entries(ratios).filter(([, share]) => share > 0);
  const sum = shares.reduce((total, [, share]) => total + share, 0);
  let end = 0;
  return shares.map(([name, share]) => {
    end += share / sum;
    return [name, end];
  });
}

function byStratum(rows: readonly SplitRow[], seed: number): Map<string, Cluster[]> {
  const members = new Map<number, number[]>();
  rows.forEach((row, index) => {
    const known = members.get(row.cluster);
    if (known === undefined) members.set(row.cluster, [index]);
    else known.push(index);
  });
  const strata = new Map<string, (Cluster & { readonly id: string })[]>();
  for (const indices of members.values()) {
    const first = indices.reduce((least, index) => (rows[index]!.id < rows[least]!.id ? index : least));
    const { id, stratum } = rows[first]!;
    const cluster = {
      rows: indices,
      stratum: commonest(indices.map((i) => rows[i]!.stratum)) ?? stratum,
      id,
      place: unitHash(id, seed),
    };
    const known = strata.get(cluster.stratum);
    if (known === undefined) strata.set(cluster.stratum, [cluster]);
    else known.push(cluster);
  }
  for (const clusters of strata.values()) {
    clusters.sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1));
  }
  return strata;
}

/** The most frequent value; of equally frequent ones the least. */
function commonest(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [best] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return best?.[0];
}
