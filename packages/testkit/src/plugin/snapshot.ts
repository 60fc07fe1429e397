import { createHash } from 'node:crypto';

/** Everything in a value by path: numbers and texts themselves, digests of bytes, other objects by identity. */
export type Snapshot = ReadonlyMap<string, unknown>;

/**
 * Looks into plain objects, arrays, maps, sets and typed arrays. Functions and instances of other classes are services:
 * they count by identity. Accessors are not called.
 *
 * @param opaque Keys of objects that are not looked into.
 */
export function snapshot(value: unknown, opaque: ReadonlySet<string> = new Set()): Snapshot {
  const leaves = new Map<string, unknown>();
  const seen = new Set<object>();
  const visit = (path: string, inner: unknown): void => {
    if (ArrayBuffer.isView(inner)) {
      leaves.set(path, createHash('sha1').update(bytesOf(inner)).digest('hex'));
      return;
    }
    const parts = typeof inner === 'object' && inner !== null ? partsOf(inner, opaque) : undefined;
    if (parts === undefined || seen.has(inner as object)) {
      leaves.set(path, inner);
      return;
    }
    seen.add(inner as object);
    // That something is empty is seen by its size.
    leaves.set(`${path}.length`, parts.length);
    for (const [key, part] of parts) visit(path + key, part);
  };
  visit('', value);
  return leaves;
}

/** The path of the first part that differs; `undefined` when none does. */
export function firstChange(before: Snapshot, after: Snapshot): string | undefined {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].find((path) => !Object.is(before.get(path), after.get(path)));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** What an object is made of; `undefined` when it is not looked into. */
function partsOf(value: object, opaque: ReadonlySet<string>): readonly [key: string, part: unknown][] | undefined {
  if (Array.isArray(value)) return value.map((item: unknown, i) => [`[${i}]`, item]);
  if (value instanceof Set) return [...value].map((item: unknown, i) => [`.${i}`, item]);
  if (value instanceof Map) {
    return [...value].flatMap(([key, item]: [unknown, unknown], i): [string, unknown][] =>
      typeof key === 'string'
        ? [[`.${key}`, item]]
        : [
            [`.key ${i}`, key],
            [`.value ${i}`, item],
          ],
    );
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return undefined;
  return Object.entries(Object.getOwnPropertyDescriptors(value)).flatMap(
    ([key, { value: part }]): [string, unknown][] => (part === undefined || opaque.has(key) ? [] : [[`.${key}`, part]]),
  );
}
