import { type TensorData, toNumbers } from '@anneal/graph';

/** The largest accepted difference from an expected value `e`: `absolute + relative · |e|`. */
export interface Tolerance {
  /** @defaultValue `0` */
  readonly absolute: number;
  /** Of the expected element. @defaultValue `0` */
  readonly relative: number;
}

const EXACT: Tolerance = { absolute: 0, relative: 0 };

/** Differences that a message shows. */
const SHOWN = 5;

/**
 * How a tensor differs from what is expected, in words; `undefined` when it does not. NaN equals NaN, an infinity only
 * itself, and 0 equals -0.
 */
export function differenceOf(
  actual: TensorData,
  expected: TensorData,
  tolerance: Tolerance = EXACT,
): string | undefined {
  const type = ({ dtype, shape }: TensorData): string => `${dtype}[${shape.join(', ')}]`;
  if (type(actual) !== type(expected)) return `expected ${type(expected)}, received ${type(actual)}`;
  const [a, e] = [toNumbers(actual), toNumbers(expected)];
  const wrong: string[] = [];
  for (let i = 0; i < e.length; i++) {
    const [got, want] = [a[i] as number, e[i] as number];
    const room = tolerance.absolute + tolerance.relative * Math.abs(want);
    const close = Number.isFinite(want) && Math.abs(got - want) <= room;
    if (got !== want && !close && !(Number.isNaN(got) && Number.isNaN(want))) {
      wrong.push(`[${i}] expected ${want}, received ${got}`);
    }
  }
  if (wrong.length === 0) return undefined;
  const rest = wrong.length > SHOWN ? `, and ${wrong.length - SHOWN} more` : '';
  return `${wrong.length} of ${e.length} elements differ: ${wrong.slice(0, SHOWN).join('; ')}${rest}`;
}

/** @throws Error naming the first elements that differ by more than the tolerance. */
export function assertClose(
  actual: TensorData,
  expected: TensorData,
  tolerance?: Tolerance,
  what: string = 'tensor',
): void {
  const difference = differenceOf(actual, expected, tolerance);
  if (difference !== undefined) throw new Error(`${what}: ${difference}`);
}
