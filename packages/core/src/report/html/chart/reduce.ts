/** A point of a chart. */
export type Point = readonly [x: number, y: number];

/**
 * Keeps `limit` points that look like all of them: the first, the last, and from each of `limit - 2` equal buckets the
 * one that spans the largest triangle with the point kept before and the mean of the next bucket (largest triangle three
 * buckets; Steinarsson, "Downsampling Time Series for Visual Representation", 2013, §4.2). Peaks survive.
 */
export function reducePoints(points: readonly Point[], limit: number): readonly Point[] {
  if (points.length <= limit || limit < 3) return points;
  const width = (points.length - 2) / (limit - 2);
  const start = (bucket: number): number => Math.floor(bucket * width) + 1;
  const kept: Point[] = [points[0] as Point];
  let last = points[0] as Point;
  for (let bucket = 0; bucket < limit - 2; bucket++) {
    const next = meanOf(points, start(bucket + 1), Math.min(start(bucket + 2), points.length));
    let best = points[start(bucket)] as Point;
    let largest = -1;
    for (let i = start(bucket); i < start(bucket + 1); i++) {
      const point = points[i] as Point;
      const area = Math.abs((last[0] - next[0]) * (point[1] - last[1]) - (last[0] - point[0]) * (next[1] - last[1]));
      if (area > largest) [best, largest] = [point, area];
    }
    kept.push(best);
    last = best;
  }
  kept.push(points.at(-1) as Point);
  return kept;
}

function meanOf(points: readonly Point[], from: number, to: number): Point {
  let [x, y] = [0, 0];
  for (let i = from; i < to; i++) {
    const point = points[i] as Point;
    x += point[0];
    y += point[1];
  }
  return [x / (to - from), y / (to - from)];
}

/**
 * Exponential moving average over about `window` points, without the pull of the start to zero (the bias correction of
 * Adam; Kingma and Ba 2015, §3).
 */
export function smoothed(points: readonly Point[], window: number): readonly Point[] {
  const keep = 1 - 1 / Math.max(1, window);
  let mean = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    mean = keep * mean + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return [x, mean / weight];
  });
}

/** The value below which the share `q` of the values lies. */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
