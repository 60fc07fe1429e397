const fixed = (value: number, digits: number): string => value.toFixed(digits);

/** Three significant digits, without an exponent where it can be read: `0.31`, `12.3`, `1,234`. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  if (Number.isInteger(value)) return String(value);
  return Number(value.toPrecision(3)).toString();
}

/** `1.2 k`, `45 M`: decimal steps, for counts. */
export function short(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${count(size)}${units[unit] ?? ''}`;
}

/** `3.4 MB`: decimal steps, as disks and downloads are measured. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${count(size)} ${units[unit] ?? ''}`;
}

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

/** `+0.0012`, `-0.0040`. */
export const signed = (value: number): string => `${value < 0 ? '-' : '+'}${quality(Math.abs(value))}`;
