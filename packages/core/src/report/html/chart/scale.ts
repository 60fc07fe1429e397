/** A stretch of an axis; `min < max`, both finite. */
export interface Domain {
  readonly min: number;
  readonly max: number;
}

/** Beyond this an axis has no use, and spans overflow. */
const MAX_MAGNITUDE = 1e200;
/** Below this, steps between ticks lose their digits. */
const MIN_MAGNITUDE = 1e-200;

export function isDrawable(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= MAX_MAGNITUDE;
}

/** The stretch that holds all values that can be drawn; `undefined` when there are none. */
export function extent(values: Iterable<number>): Domain | undefined {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!isDrawable(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? widened({ min, max }) : undefined;
}

/** A stretch of no length, or of too few floats to tell apart, becomes one around its value. */
function widened({ min, max }: Domain): Domain {
  const least = Math.max(Math.abs(min), Math.abs(max), MIN_MAGNITUDE) * 1e-9;
  if (max - min > least) return { min, max };
  const half = Math.abs(min) < MIN_MAGNITUDE ? 0.5 : Math.abs(min) / 2;
  return { min: min - half, max: max + half };
}

export function union(...domains: readonly (Domain | undefined)[]): Domain | undefined {
  return extent(domains.flatMap((domain) => (domain === undefined ? [] : [domain.min, domain.max])));
}

/** The step of 1, 2 or 5 times a power of ten that cuts a stretch into about `parts`. */
export function niceStep({ min, max }: Domain, parts: number): number {
  const raw = (max - min) / parts;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Multiples of a step of 1, 2 or 5 times a power of ten within the stretch. */
export function ticks(domain: Domain, parts: number): readonly number[] {
  const step = niceStep(domain, parts);
  const first = Math.ceil(domain.min / step - 1e-6);
  const last = Math.floor(domain.max / step + 1e-6);
  const count = Math.min(Math.max(0, last - first + 1), 3 * parts + 3);
  // Adding 0 turns -0 into 0.
  return Array.from({ length: count }, (_, i) => (first + i) * step + 0);
}

/** The stretch from tick to tick that holds this one. */
export function niceDomain(domain: Domain, parts: number): Domain {
  const step = niceStep(domain, parts);
  return { min: Math.floor(domain.min / step + 1e-6) * step, max: Math.ceil(domain.max / step - 1e-6) * step };
}

/** `0.25`, `1,500`, `20k`, `5e-4`: as many decimals as the distance of ticks asks for. */
export function tickText(value: number, step: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  const power = Math.floor(Math.log10(step) + 1e-9);
  const text =
    size >= 1e15 || (step < 1e-3 && size < 1)
      ? value.toExponential(Math.max(0, Math.floor(Math.log10(size) + 1e-9) - power))
      : size >= 1e4
        ? thousands(value, power)
        : value.toLocaleString('en-US', {
            minimumFractionDigits: Math.max(0, -power),
            maximumFractionDigits: Math.max(0, -power),
          });
  return text
    .replace(/^-/, '\u2212')
    .replace(/\.?0*e/, 'e')
    .replace('e+', 'e');
}

function thousands(value: number, power: number): string {
  const [unit, scale] = (
    [
      ['T', 12],
      ['G', 9],
      ['M', 6],
      ['k', 3],
    ] as const
  ).find(([, own]) => Math.abs(value) >= 10 ** own) ?? ['', 0];
  const digits = Math.max(0, scale - power);
  return `${(value / 10 ** scale).toLocaleString('en-US', { maximumFractionDigits: digits })}${unit}`;
}
