/** A number and its unit stay on one line. */
const NBSP = '\u00a0';
const MINUS = '\u2212';

export const NOT_MEASURED = 'not measured';

export function isMeasured(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** What stands for a number that is not there. */
function measured(value: number, text: (value: number) => string): string {
  return isMeasured(value) ? text(value).replace(/^-/, MINUS) : NOT_MEASURED;
}

/** `1,234`; three digits when it is not whole: `0.310`, `12.3`. */
export function number(value: number): string {
  return measured(value, (own) => {
    if (Number.isInteger(own) && Math.abs(own) < 1e15) return own.toLocaleString('en-US');
    if (Math.abs(own) >= 1e15 || Math.abs(own) < 1e-4) return own.toExponential(2);
    return Math.abs(own) >= 99.95 ? Math.round(own).toLocaleString('en-US') : own.toPrecision(3);
  });
}

/** Below this, four decimals would leave one digit or none. */
const SMALL = 1e-3;

/** A measure of quality: `0.9634`, `23.41`, `2.1e-5`. */
export function quality(value: number): string {
  return measured(value, (own) => {
    const size = Math.abs(own);
    if (size >= 1000) return number(own);
    if (size !== 0 && size < SMALL) return own.toExponential(1);
    return own.toFixed(size < 10 ? 4 : 2);
  });
}

/** For quantities of any kind: counts are whole, everything else has the digits of a quality. */
export function countOrQuality(value: number): string {
  return Number.isInteger(value) && Math.abs(value) > 1 ? number(value) : quality(value);
}

/**
 * A difference of two qualities, with its sign and with the digits that they are shown with: `+0.0012`, `−0.0040`; `0`
 * where nothing is left of it.
 */
export function signedDifference(before: number, after: number): string {
  return measured(after - before, (own) => {
    const size = Math.max(Math.abs(before), Math.abs(after));
    const text =
      size < SMALL ? own.toExponential(1) : size < 10 ? own.toFixed(4) : size < 1000 ? own.toFixed(2) : number(own);
    if (Number(text) === 0 || Math.abs(own) < size * 1e-6) return '0';
    return `${own > 0 ? '+' : ''}${text}`;
  });
}

function scaled(value: number, units: readonly string[], base: number): string {
  return measured(value, (own) => {
    let size = own;
    let unit = 0;
    while (Math.abs(size) >= base * 0.9995 && unit < units.length - 1) {
      size /= base;
      unit++;
    }
    const text =
      (unit === 0 && Number.isInteger(size)) || Math.abs(size) >= 99.95
        ? number(Math.round(size))
        : size.toPrecision(3);
    return `${text}${units[unit] === '' ? '' : NBSP}${units[unit] ?? ''}`;
  });
}

/** `1.20 M`: decimal steps, for counts of weights and tokens. */
export function short(value: number): string {
  return scaled(value, ['', 'k', 'M', 'G', 'T'], 1000);
}

/** `5.90 MB`: decimal steps, as disks and downloads are measured. */
export function bytes(value: number): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB'], 1000);
}

/** MiB to `527 MiB`, `2.10 GiB`. */
export function mebibytes(value: number): string {
  return scaled(value, ['MiB', 'GiB', 'TiB'], 1024);
}

/** Milliseconds. */
export function milliseconds(value: number): string {
  return measured(value, (own) => `${number(own)}${NBSP}ms`);
}

/** `42 ms`, `0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  return measured(seconds, (own) => {
    if (own < 0.0995) return `${Math.round(own * 1000)}${NBSP}ms`;
    if (own < 9.95) return `${own.toFixed(1)}${NBSP}s`;
    const whole = Math.round(own);
    if (whole < 60) return `${whole}${NBSP}s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}${NBSP}min ${whole % 60}${NBSP}s`;
    const minutes = Math.round(own / 60);
    return `${Math.floor(minutes / 60).toLocaleString('en-US')}${NBSP}h ${minutes % 60}${NBSP}min`;
  });
}

/** A share as `9.7 %`. */
export function percent(share: number): string {
  return measured(share, (own) => {
    const parts = 100 * own;
    const digits = Math.abs(parts) >= 99.95 || parts === 0 ? 0 : Math.abs(parts) < 0.095 ? 2 : 1;
    return `${parts.toFixed(digits)}${NBSP}%`;
  });
}

/** A relative change as `−72 %`, `+3 %`. */
export function signedPercent(change: number): string {
  return measured(change, (own) => {
    const text = Math.abs(own) >= 0.995 ? (100 * own).toFixed(0) : (100 * own).toPrecision(2).replace(/e.*$/, '');
    const rounded = Math.abs(own) < 0.0005 ? '0' : text;
    return `${own > 0 && rounded !== '0' ? '+' : ''}${rounded}${NBSP}%`;
  });
}

/** `0.28×`. */
export function times(ratio: number): string {
  return measured(ratio, (own) => `${own < 9.995 ? own.toFixed(2) : number(own)}×`);
}

/** `0.9675–0.9806`; with room around the dash where an end is negative. */
export function intervalOf(text: (value: number) => string, [low, high]: readonly [number, number]): string {
  return [text(low), text(high)].join(low < 0 ? ' – ' : '–');
}
