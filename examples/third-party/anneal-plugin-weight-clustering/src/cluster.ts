const MAX_ROUNDS = 100;

/** Index of the first element of a sorted list that is greater than `limit`. */
function upperBound(sorted: Float32Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a sorted list has at most so many different values. */
function hasFew(sorted: Float32Array, count: number): boolean {
  let found = 1;
  for (let i = 1; i < sorted.length && found <= count; i++) if (sorted[i] !== sorted[i - 1]) found++;
  return found <= count;
}

/** Sums of all beginnings of a list. */
function prefixSums(values: Float32Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (const [i, value] of values.entries()) sums[i + 1] = sums[i]! + value;
  return sums;
}

const midpoints = (centers: readonly number[]): readonly number[] =>
  centers.slice(1).map((center, i) => (center + centers[i]!) / 2);

/**
 * The values with each replaced by the mean of its cluster: k-means in one dimension (Lloyd), from centers that are evenly
 * spread between the smallest and the largest value, which keeps large weights apart (Han et al., 2016, section 3.2).
 *
 * @param count of clusters, at least 1; a cluster that gets empty keeps its center
 */
export function cluster(values: Float32Array, count: number): Float32Array<ArrayBuffer> {
  const sorted = values.toSorted();
  if (hasFew(sorted, count)) return Float32Array.from(values);
  const sums = prefixSums(sorted);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  let centers: readonly number[] = Array.from(
    { length: count },
    (_, i) => least + ((i + 0.5) * (most - least)) / count,
  );
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const ends = [...midpoints(centers).map((limit) => upperBound(sorted, limit)), sorted.length];
    const moved = centers.map((center, i) => {
      const [from, to] = [i === 0 ? 0 : ends[i - 1]!, ends[i]!];
      return to > from ? (sums[to]! - sums[from]!) / (to - from) : center;
    });
    const isStable = moved.every((center, i) => center === centers[i]);
    centers = moved;
    if (isStable) break;
  }
  const limits = Float32Array.from(midpoints(centers));
  return Float32Array.from(values, (value) => centers[lowerIndex(limits, value)]!);
}

/** How many limits lie below a value: the number of its cluster. */
function lowerIndex(limits: Float32Array, value: number): number {
  let [low, high] = [0, limits.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (limits[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
