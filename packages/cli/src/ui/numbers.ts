const fixed = (value: number, digits: number): string => value.toFixed(digits);

/** A number of things: `7`, `1,234`; three digits when it is not whole. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return digits(value);
}

/** Always three digits, so that columns and running numbers keep their width: `0.310`, `5.40`, `12.3`, `1,234`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 99.95 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

const STEPS = ['', ' k', ' M', ' G', ' T'];

function scaled(value: number, units: readonly string[], keepWhole: boolean): string {
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${keepWhole && unit === 0 && Number.isInteger(size) ? size : digits(size)}${units[unit] ?? ''}`;
}

/** `1.20 k`, `45.0 M`: decimal steps, for counts. */
export const short = (value: number): string => scaled(value, STEPS, true);

/** `2.00/s`, `1.21 k/s`: always three digits, so that a running number keeps its width. */
export const rate = (value: number): string => `${scaled(value, STEPS, false)}/s`;

/** `3.40 MB`: decimal steps, as disks and downloads are measured. */
export const bytes = (value: number): string => scaled(value, [' B', ' kB', ' MB', ' GB', ' TB'], true);

/** `120 FLOP`, `25.2 MFLOP`. */
export const flops = (value: number): string => scaled(value, [' FLOP', ' kFLOP', ' MFLOP', ' GFLOP', ' TFLOP'], true);

/** `0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 9.95) return `${fixed(seconds, 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `0:42`, `12:03`, `1:02:03`: does not change its width every second. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds > 360_000) return '–:––';
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const rest = `${whole < 3600 ? Math.floor(whole / 60) : two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  return whole < 3600 ? rest : `${Math.floor(whole / 3600)}:${rest}`;
}

/** A quality measure: four decimals below 10, else three digits. */
export const quality = (value: number): string => (Math.abs(value) < 10 ? fixed(value, 4) : count(value));

/** `+0.0012`, `-0.0040`; no sign where nothing is left of the number. */
export function signed(value: number): string {
  const text = quality(Math.abs(value));
  return `${Number(text) === 0 ? '' : value < 0 ? '-' : '+'}${text}`;
}
