import { AnnealError } from './errors/error.ts';
import type { JsonValue } from './json.ts';

/**
 * Named results that travel between phases and through the cache: a tokenizer, label names, an adapter's facts. Names
 * are file names (`tokenizer.json`), unique per run.
 */
export class Artifacts {
  readonly #entries = new Map<string, Uint8Array>();

  /** @throws AnnealError `ANNEAL_E_WRITE` when the name could leave a folder. */
  set(name: string, data: Uint8Array | string): void {
    if (!/^[\w@][\w.@-]*(\/[\w@][\w.@-]*)*$/.test(name)) {
      throw new AnnealError('ANNEAL_E_WRITE', `artifact name ${JSON.stringify(name)} is not a relative file name`);
    }
    this.#entries.set(name, typeof data === 'string' ? new TextEncoder().encode(data) : data);
  }

  /** Keeps JSON as text. */
  setJson(name: string, value: JsonValue): void {
    this.set(name, JSON.stringify(value));
  }

  /** Whether something of that name was made. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** @throws AnnealError `ANNEAL_E_UNANSWERED` when nothing of that name was made. */
  get(name: string): Uint8Array {
    const data = this.#entries.get(name);
    if (data === undefined) {
      throw new AnnealError(
        'ANNEAL_E_UNANSWERED',
        `no artifact named "${name}", received ${[...this.names()].join(', ') || 'none'}`,
      );
    }
    return data;
  }

  /** The same as UTF-8 text. */
  text(name: string): string {
    return new TextDecoder().decode(this.get(name));
  }

  /** The same as JSON. */
  json<T extends JsonValue>(name: string): T {
    return JSON.parse(this.text(name)) as T;
  }

  /** Names with bytes, in the order in which they were set. */
  entries(): IterableIterator<[name: string, data: Uint8Array]> {
    return this.#entries.entries();
  }

  /** Names, in the order in which they were set. */
  names(): IterableIterator<string> {
    return this.#entries.keys();
  }
}
