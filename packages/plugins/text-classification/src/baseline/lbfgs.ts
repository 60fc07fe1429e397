/** A function and its gradient: writes the gradient into `gradient` and returns the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** @defaultValue `200` */
  readonly maxIterations?: number | undefined;
  /** Stop when no component of the gradient is larger. @defaultValue `1e-4` */
  readonly tolerance?: number | undefined;
  /** Steps that the curvature is estimated from. @defaultValue `10` */
  readonly memory?: number | undefined;
  /** Called after each iteration; may throw to stop. */
  readonly onIteration?: ((iteration: number) => void | Promise<void>) | undefined;
}

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

/**
 * Minimises a smooth function in place by limited-memory BFGS (Nocedal, 1980; Liu and Nocedal, 1989) with a line search
 * for the weak Wolfe conditions by bisection. Returns the last value.
 */
export async function minimize(f: Objective, x: Float64Array, options: LbfgsOptions = {}): Promise<number> {
  const { maxIterations = 200, tolerance = 1e-4, memory = 10, onIteration } = options;
  const n = x.length;
  let gradient = new Float64Array(n);
  const next = new Float64Array(n);
  let nextGradient = new Float64Array(n);
  const pairs: Pair[] = [];
  let value = f(x, gradient);
  for (let iteration = 1; iteration <= maxIterations; iteration++) {
    if (largest(gradient) <= tolerance) break;
    const direction = descent(gradient, pairs);
    // Without any curvature yet, a step of length 1.
    const first = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    const found = search(f, x, value, gradient, direction, first, next, nextGradient);
    if (found === undefined) break;
    const s = new Float64Array(n);
    const y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      s[i] = (next[i] as number) - (x[i] as number);
      y[i] = (nextGradient[i] as number) - (gradient[i] as number);
    }
    const curvature = dot(s, y);
    if (curvature > 0) {
      pairs.push({ s, y, rho: 1 / curvature });
      if (pairs.length > memory) pairs.shift();
    }
    x.set(next);
    value = found;
    [gradient, nextGradient] = [nextGradient, gradient];
    await onIteration?.(iteration);
  }
  return value;
}

/** The two-loop recursion: minus the estimated inverse Hessian times the gradient. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const d = gradient.map((g) => -g);
  const alphas: number[] = [];
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i] as Pair;
    const alpha = rho * dot(s, d);
    alphas[i] = alpha;
    addScaled(d, y, -alpha);
  }
  const last = pairs[pairs.length - 1];
  if (last !== undefined) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let i = 0; i < d.length; i++) d[i] = (d[i] as number) * scale;
  }
  pairs.forEach(({ s, y, rho }, i) => addScaled(d, s, (alphas[i] as number) - rho * dot(y, d)));
  return d;
}

/** A step that lowers the value enough and flattens the slope enough; `undefined` when none is found. */
function search(
  f: Objective,
  x: Float64Array,
  value: number,
  gradient: Float64Array,
  direction: Float64Array,
  first: number,
  next: Float64Array,
  nextGradient: Float64Array,
): number | undefined {
  const slope = dot(gradient, direction);
  if (!(slope < 0)) return undefined;
  let [low, high, step] = [0, Infinity, first];
  for (let trial = 0; trial < 40; trial++) {
    for (let i = 0; i < x.length; i++) next[i] = (x[i] as number) + step * (direction[i] as number);
    const found = f(next, nextGradient);
    if (!(found <= value + 1e-4 * step * slope)) high = step;
    else if (dot(nextGradient, direction) < 0.9 * slope) low = step;
    else return found;
    step = high === Infinity ? 2 * low : (low + high) / 2;
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function addScaled(target: Float64Array, source: Float64Array, scale: number): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + scale * (source[i] as number);
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
