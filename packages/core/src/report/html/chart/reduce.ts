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
 * A moving fit of straight lines over `window` points, twice (the smoothing of Savitzky and Golay 1964, of order 1): it does
 * not lag behind a falling loss as a moving average of past points does, and has no other rule at the ends.
 */
export function smoothed(points: readonly Point[], window: number): readonly Point[] {
  const half = Math.floor(Math.min(window, points.length) / 2);
  const first = movingLine(
    Float64Array.from(points, ([, y]) => y),
    half,
  );
  const values = movingLine(first, half);
  return points.map(([x], i) => [x, values[i] as number]);
}

/** For each place the value there of the least-squares line through the `2 * half + 1` values around it. */
function movingLine(values: Float64Array, half: number): Float64Array {
  const count = values.length;
  if (half < 1 || count < 3) return values;
  // Sums of y and of i·y up to each place make the cost of a fit independent of the window.
  const [sums, moments] = [new Float64Array(count + 1), new Float64Array(count + 1)];
  values.forEach((y, i) => {
    sums[i + 1] = (sums[i] as number) + y;
    moments[i + 1] = (moments[i] as number) + i * y;
  });
  return values.map((_, i) => {
    const from = Math.max(0, i - half);
    const to = Math.min(count - 1, i + half);
    const n = to - from + 1;
    const middle = (from + to) / 2;
    const sum = (sums[to + 1] as number) - (sums[from] as number);
    const moment = (moments[to + 1] as number) - (moments[from] as number) - middle * sum;
    const spread = (n * (n * n - 1)) / 12;
    return sum / n + ((i - middle) * moment) / spread;
  });
}

/** The value below which the share `q` of the values lies. */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
