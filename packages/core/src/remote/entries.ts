import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

import type { RunScope } from '../build/context.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { isAnnealError } from '../errors/error.ts';
import type { Cache } from '../node/cache.ts';
import { writeError } from '../node/files.ts';
import type { Logger } from '../observe/logger.ts';
import { httpCache } from './http.ts';
import type { RemoteCache } from './types.ts';

/** What a result consists of, as it lies in the store under its key. */
interface Listing {
  readonly schemaVersion: 1;
  readonly phase: string;
  readonly key: string;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  /** Of all the above. */
  readonly signature?: string | undefined;
}

export interface RemoteEntriesOptions {
  readonly remote: RemoteCache;
  readonly cache: Cache;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly readOnly: boolean;
  readonly secret: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  /** Results that are larger are not taken. */
  readonly maxBytes: number;
}

/** Until an answer must begin. */
const TIMEOUT_MS = 10_000;

/** Those of a config that names a remote cache. */
export function remoteEntries(config: ResolvedConfig, cache: Cache, scope: RunScope): RemoteEntries | undefined {
  const { remote, maxBytes } = config.cache;
  if (remote === undefined) return undefined;
  const shared = { cache, maxBytes, logger: scope.logger, signal: scope.run.signal };
  if ('get' in remote)
    return new RemoteEntries({ ...shared, remote, readOnly: false, secret: undefined, timeout: TIMEOUT_MS });
  const { readOnly = false, secret, timeout = TIMEOUT_MS } = remote;
  return new RemoteEntries({ ...shared, remote: httpCache(remote), readOnly, secret, timeout });
}

const MAX_LISTING_BYTES = 2 ** 20;
const MAX_FILES = 1000;
/** Slower stores are no help. */
const MIN_BYTES_PER_MS = 100;
/** A store that failed so often in a run is left alone for the rest of it. */
const MAX_FAILURES = 2;
/** Names of files of a result: no folders, nothing hidden, and not what the cache itself puts there. */
const FILE_NAME = /^(?!manifest\.json$)[\w@%][\w@%.-]{0,250}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Results of phases in a remote cache. Whatever goes wrong there is a warning, and never a wrong result. */
export class RemoteEntries {
  readonly #options: RemoteEntriesOptions;
  #failures = 0;

  constructor(options: RemoteEntriesOptions) {
    this.#options = options;
  }

  /** Fetches a result into the cache; returns its folder, or `undefined` when there is none that can be trusted. */
  async fetch(phase: string, key: string): Promise<string | undefined> {
    return this.#attempt(`the result of ${phase} was not fetched`, async () => {
      const text = await this.#read(`ac/${key}`, MAX_LISTING_BYTES);
      if (text === undefined) return undefined;
      const listing = this.#check(JSON.parse(text) as unknown, phase, key);
      return this.#options.cache.write(phase, key, async (folder) => {
        for (const [name, { bytes, sha256 }] of Object.entries(listing.files)) {
          await this.#download(`cas/${sha256}`, join(folder, name), bytes, sha256);
        }
      });
    });
  }

  /** Sends a result of the cache. */
  async publish(phase: string, key: string): Promise<void> {
    const { cache, remote, readOnly } = this.#options;
    if (readOnly) return;
    await this.#attempt(`the result of ${phase} was not sent`, async () => {
      const folder = cache.folder(phase, key);
      const files = await cache.files(phase, key);
      for (const [name, { bytes, sha256 }] of Object.entries(files)) {
        const place = `cas/${sha256}`;
        const signal = this.#signal(bytes);
        if ((await remote.has?.(place, { signal })) === true) continue;
        await remote.put(place, { size: bytes, open: () => createReadStream(join(folder, name)) }, { signal });
      }
      const listed = Object.entries(files).map(([name, { bytes, sha256 }]) => [name, { bytes, sha256 }]);
      const listing: Listing = { schemaVersion: 1, phase, key, files: Object.fromEntries(listed) as Listing['files'] };
      const data = Buffer.from(JSON.stringify({ ...listing, signature: this.#sign(listing) }));
      // Last: who finds it finds all files.
      await remote.put(
        `ac/${key}`,
        { size: data.length, open: () => once(data) },
        { signal: this.#signal(data.length) },
      );
      return undefined;
    });
  }

  async #attempt<T>(what: string, work: () => Promise<T | undefined>): Promise<T | undefined> {
    const { signal, logger } = this.#options;
    if (this.#failures >= MAX_FAILURES) return undefined;
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      // What cannot be written here is no fault of the store.
      if (isAnnealError(error)) throw error;
      this.#failures++;
      const reason = reasonOf(error);
      const end = this.#failures === MAX_FAILURES ? '; it is not asked any more in this run' : '';
      logger.warn(`Remote cache: ${what} (${reason})${end}`);
      return undefined;
    }
  }

  /** Ends with the run, and when a transfer of so many bytes takes too long. */
  #signal(bytes: number): AbortSignal {
    const { signal, timeout } = this.#options;
    return AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeout + bytes / MIN_BYTES_PER_MS))]);
  }

  /** @param expected Bytes that there is time for. */
  async *#pieces(name: string, maxBytes: number, expected: number = maxBytes): AsyncGenerator<Uint8Array, boolean> {
    const signal = this.#signal(expected);
    const answer = await within(this.#options.remote.get(name, { signal }), this.#signal(0));
    if (answer === undefined) return false;
    const iterator = answer[Symbol.asyncIterator]();
    let size = 0;
    try {
      for (;;) {
        const { done, value } = await within(iterator.next(), signal);
        if (done === true) return true;
        size += value.byteLength;
        if (size > maxBytes) throw new Error(`${name} has more than ${maxBytes} bytes`);
        yield value;
      }
    } finally {
      // Not awaited: what does not answer does not end either.
      iterator.return?.().then(undefined, () => undefined);
    }
  }

  async #read(name: string, maxBytes: number): Promise<string | undefined> {
    const pieces: Uint8Array[] = [];
    const reading = this.#pieces(name, maxBytes, 0);
    for (;;) {
      const { done, value } = await reading.next();
      if (done !== true) pieces.push(value);
      else return value ? Buffer.concat(pieces).toString('utf8') : undefined;
    }
  }

  async #download(name: string, path: string, bytes: number, sha256: string): Promise<void> {
    const hash = createHash('sha256');
    const file = await open(path, 'wx').catch((error: unknown) => {
      throw writeError(path, error);
    });
    try {
      let size = 0;
      const reading = this.#pieces(name, bytes);
      for (;;) {
        const { done, value } = await reading.next();
        if (done === true) {
          if (!value) throw new Error(`${name} is missing`);
          break;
        }
        hash.update(value);
        size += value.byteLength;
        await file.writeFile(value).catch((error: unknown) => {
          throw writeError(path, error);
        });
      }
      if (size !== bytes) throw new Error(`${name} has ${size} bytes instead of ${bytes}`);
      if (hash.digest('hex') !== sha256) throw new Error(`${name} has other contents`);
    } finally {
      await file.close();
    }
  }

  /** @throws Error for a listing that is none, is not of this key, or is not signed as it must be. */
  #check(value: unknown, phase: string, key: string): Listing {
    const { maxBytes, secret } = this.#options;
    const listing = value as Partial<Listing> | null;
    if (listing?.schemaVersion !== 1 || typeof listing.files !== 'object' || listing.files === null) {
      throw new Error('the store holds no result of this version of Anneal');
    }
    if (listing.key !== key || listing.phase !== phase) throw new Error('the store holds the result of another key');
    const files = Object.entries(listing.files);
    if (files.length === 0 || files.length > MAX_FILES) throw new Error(`a result has ${files.length} files`);
    let size = 0;
    for (const [name, file] of files as [string, Partial<Listing['files'][string]> | null][]) {
      const { bytes = -1, sha256 = '' } = file ?? {};
      if (!FILE_NAME.test(name) || !Number.isSafeInteger(bytes) || bytes < 0 || !SHA256.test(sha256)) {
        throw new Error(`a result lists ${JSON.stringify(name.slice(0, 80))} wrongly`);
      }
      size += bytes;
    }
    if (size > maxBytes) throw new Error(`a result of ${size} bytes is more than the cache may take`);
    const whole = listing as Listing;
    if (secret !== undefined && !isEqual(whole.signature, this.#sign(whole))) throw new Error('the signature is wrong');
    return whole;
  }

  #sign({ schemaVersion, phase, key, files }: Listing): string | undefined {
    const { secret } = this.#options;
    if (secret === undefined) return undefined;
    const listed = Object.entries(files)
      .map(([name, { bytes, sha256 }]) => [name, bytes, sha256] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    return createHmac('sha256', secret)
      .update(JSON.stringify([schemaVersion, phase, key, listed]))
      .digest('hex');
  }
}

/** Who is waited for in vain is told in words: which of several timers was first says nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'AbortError' || error.name === 'TimeoutError' ? 'it took too long' : error.message;
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

function isEqual(given: unknown, wanted: string | undefined): boolean {
  if (typeof given !== 'string' || wanted === undefined || given.length !== wanted.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
}

/** The promise, or the end of the signal: a store need not listen to it. */
async function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([promise, ended]);
  } finally {
    signal.removeEventListener('abort', stop as () => void);
  }
}
