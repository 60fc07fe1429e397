/** What a request to a remote cache gets. */
export interface RemoteOptions {
  /** Aborted when the run is stopped, and when the answer takes too long. */
  readonly signal: AbortSignal;
}

/** Bytes that are sent. */
export interface RemoteBody {
  /** How many there are. */
  readonly size: number;
  /** Reads them from the start. */
  open(): AsyncIterable<Uint8Array>;
}

/**
 * Where results are shared between machines: bytes by name. Names are `ac/<key>` for what a result consists of and
 * `cas/<sha256>` for its files, as Bazel's remote caches have them. What comes back is checked against its digest,
 * and a store that fails only costs time: it may throw whatever it likes.
 */
export interface RemoteCache {
  /** The bytes under a name, in pieces; `undefined` when there are none. */
  get(name: string, options: RemoteOptions): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Puts bytes under a name, in place of those that are there. */
  put(name: string, body: RemoteBody, options: RemoteOptions): Promise<void>;
  /** Whether there is something under a name; saves sending it again. */
  has?(name: string, options: RemoteOptions): Promise<boolean>;
}

/** A remote cache in a config. */
export interface RemoteCacheConfig {
  /** Where names are appended: `https://cache.example.com/anneal/`. */
  url: string;
  /** Sent with every request, e.g. `{ authorization: 'Bearer …' }`. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Take results, give none. @defaultValue `false` */
  readOnly?: boolean | undefined;
  /**
   * Results are signed with this (HMAC-SHA256), and only those with a valid signature are taken: without it everybody
   * who can write to the store can put a model of their own there. @defaultValue no signatures
   */
  secret?: string | undefined;
  /** Milliseconds until an answer must begin. @defaultValue `10000` */
  timeout?: number | undefined;
}
