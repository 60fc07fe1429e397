/** Longest text of a value in a message. */
const MAX_TEXT = 60;
/** Numbers of tokens are none. */
const SECRET = /(?<!max_?)token|secret|password|credential|api_?key|authorization/i;

const cut = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text);

function keyText(key: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? key : JSON.stringify(key);
}

function text(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(cut(value));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return value.name === '' ? 'a function' : `the function ${value.name}`;
  if (typeof value !== 'object') return String(value as number | boolean | symbol | undefined);
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    if (depth === 0) return '[…]';
    return `[${value
      .slice(0, 8)
      .map((item) => text(item, depth - 1))
      .join(', ')}${value.length > 8 ? ', …' : ''}]`;
  }
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null;
  const name = prototype === null || prototype === Object.prototype ? '' : (prototype.constructor?.name ?? '');
  if (name !== '') return `an instance of ${name}`;
  if (depth === 0) return '{…}';
  const entries = Object.entries(value);
  const shown = entries
    .slice(0, 8)
    .map(([key, item]) => `${keyText(key)}: ${isSecret(key) ? '…' : text(item, depth - 1)}`);
  return entries.length === 0 ? '{}' : `{ ${shown.join(', ')}${entries.length > 8 ? ', …' : ''} }`;
}

/** A value as messages show it after "received": short, on one line, without secrets. */
export function show(value: unknown): string {
  return cut(text(value, 2));
}

/** Whether a value of this name is not to be shown or kept. */
export function isSecret(key: string | number | undefined): boolean {
  return SECRET.test(String(key));
}

/** {@link show} of what stands at `path`; values under keys that look like secrets are not shown. */
export function showAt(value: unknown, path: readonly (string | number)[]): string {
  return path.some(isSecret) && value !== undefined ? 'a value that is not shown' : show(value);
}

/** `plugins[1].rank`, `gates["size.ratio"]`. */
export function pathText(path: readonly (string | number)[]): string {
  return path
    .map((key, i) => {
      if (typeof key === 'number') return `[${key}]`;
      if (/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)) return i === 0 ? key : `.${key}`;
      return `[${JSON.stringify(key)}]`;
    })
    .join('');
}
