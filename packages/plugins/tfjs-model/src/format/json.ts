import { formatError, type GraphError } from '@anneal/graph';

/** Deeper than any model: nested models are read by recursion. */
const MAX_DEPTH = 64;

type Fields = Readonly<Record<string, unknown>>;

/** A place in a JSON file that somebody else wrote: what is read from it has the type that was asked for. */
export class Json {
  readonly file: string;
  /** Way to the place, for errors: `modelTopology.config.layers[3]`. */
  readonly path: string;
  readonly value: unknown;

  constructor(file: string, value: unknown, path: string = '') {
    this.file = file;
    this.value = value;
    this.path = path;
  }

  error(message: string, fix?: string): GraphError {
    return formatError({ file: this.file }, `${this.path === '' ? 'the file' : this.path}: ${message}`, {
      ...(fix !== undefined && { fix }),
    });
  }

  /** The field of an object; its value is `undefined` when it is not there. */
  get(key: string): Json {
    if (!isFields(this.value)) throw this.#mustBe('an object');
    const path = this.path === '' ? key : `${this.path}.${key}`;
    return new Json(this.file, Object.hasOwn(this.value, key) ? this.value[key] : undefined, path);
  }

  /** Whether there is a value other than `null`. */
  get exists(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  get isArray(): boolean {
    return Array.isArray(this.value);
  }

  get isObject(): boolean {
    return isFields(this.value);
  }

  items(): readonly Json[] {
    if (!Array.isArray(this.value)) throw this.#mustBe('a list');
    return this.value.map((item, i) => new Json(this.file, item, `${this.path}[${i}]`));
  }

  keys(): readonly string[] {
    if (!isFields(this.value)) throw this.#mustBe('an object');
    return Object.keys(this.value);
  }

  string(fallback?: string): string {
    if (!this.exists && fallback !== undefined) return fallback;
    if (typeof this.value !== 'string') throw this.#mustBe('a string');
    return this.value;
  }

  number(fallback?: number): number {
    if (!this.exists && fallback !== undefined) return fallback;
    if (typeof this.value !== 'number') throw this.#mustBe('a number');
    return this.value;
  }

  /** A whole number of at least `min`. Protocol buffers write 64-bit ones as strings. */
  int(fallback?: number, min: number = Number.MIN_SAFE_INTEGER): number {
    if (!this.exists && fallback !== undefined) return fallback;
    const { value } = this;
    const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number) && number >= min) return number;
    throw this.#mustBe(min === Number.MIN_SAFE_INTEGER ? 'a whole number' : `a whole number of at least ${min}`);
  }

  boolean(fallback?: boolean): boolean {
    if (!this.exists && fallback !== undefined) return fallback;
    if (typeof this.value !== 'boolean') throw this.#mustBe('true or false');
    return this.value;
  }

  #mustBe(what: string): GraphError {
    const text = JSON.stringify(this.value) ?? 'nothing';
    return this.error(`must be ${what}, received ${text.length > 60 ? `${text.slice(0, 60)} …` : text}`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The contents of a JSON file.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when it is not valid, or nested deeper than any model
 */
export function parseJson(file: string, bytes: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw formatError({ file }, 'the file is not valid JSON', { cause });
  }
  if (depthOf(value) > MAX_DEPTH) throw formatError({ file }, `the JSON is nested deeper than ${MAX_DEPTH} levels`);
  return new Json(file, value);
}

/** Levels of nesting, counted a level at a time, because a stack would end before a crafted file does. */
function depthOf(root: unknown): number {
  let level: unknown[] = [root];
  for (let depth = 0; ; depth++) {
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
    if (level.length === 0 || depth > MAX_DEPTH) return depth;
  }
}
