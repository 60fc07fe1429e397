import { pathText } from '../errors/show.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An object of settings, as opposed to an array, a function, a plugin or an instance of a class. */
export function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.getOwnPropertySymbols(value).length === 0;
}

/**
 * `above` over `below`: objects merge key by key, everything else is replaced, `undefined` changes nothing. Keys keep
 * the place that they have in `below`.
 */
export function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below;
  if (!isFields(below) || !isFields(above)) return above;
  const out = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) out.set(key, merge(out.get(key), value));
  return Object.fromEntries(out);
}

/** Every value that is not an object of settings, with its path. */
export function* leaves(value: unknown, path: readonly string[] = []): Generator<[readonly string[], unknown]> {
  if (!isFields(value)) {
    if (value !== undefined) yield [path, value];
    return;
  }
  for (const [key, inner] of Object.entries(value)) yield* leaves(inner, [...path, key]);
}

/** `value` with `to` at `path`; copies what it changes, creates objects that are missing. Errors are texts. */
export function setIn(value: unknown, path: readonly string[], to: unknown, done: readonly string[] = []): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return to;
  const here = [...done, key];
  if (key === '__proto__') throw new SetError(`\`${key}\` cannot be a key`);
  if (Array.isArray(value)) {
    const index = Number(key);
    if (!Number.isInteger(index) || index < 0 || index > value.length) {
      throw new SetError(
        `\`${pathText(done)}\` has ${value.length} entries, received the index ${JSON.stringify(key)}`,
      );
    }
    return [...value.slice(0, index), setIn(value[index], rest, to, here), ...value.slice(index + 1)];
  }
  if (value !== undefined && (typeof value !== 'object' || value === null)) {
    // A value that is replaced by an object: `--set train.epochs=1` over `train: false`.
    return { [key]: setIn(undefined, rest, to, here) };
  }
  const fields = value as Fields | undefined;
  return { ...fields, [key]: setIn(fields?.[key], rest, to, here) };
}

/** A path that cannot be set; becomes a coded error where it is known what asked for it. */
export class SetError extends Error {
  override readonly name: string = 'SetError';
}
