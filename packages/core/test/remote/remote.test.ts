import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';

import { createLogger, httpCache, type RemoteCache, type RemoteCacheConfig, type UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import {
  basePlugins,
  copying,
  entriesOf,
  failure,
  filesOf,
  folder,
  listener,
  pipelineOf,
  project,
  rounding,
} from '../tiny/build.ts';
import { Cache } from '../../src/node/cache.ts';
import { RemoteEntries } from '../../src/remote/entries.ts';
import { type Misbehave, type StoreServer, storeServer } from './server.ts';

const PHASES = ['data', 'model', 'train', 'compress', 'evaluate'];
const config = (remote: RemoteCache | RemoteCacheConfig | string): UserConfig => ({
  plugins: [...basePlugins(), copying({}), rounding()],
  cache: { remote },
});
const TIMED = new Set(['report.json', 'report.html', 'README.md', '.anneal.json']);
const resultOf = (root: string): ReadonlyMap<string, string> =>
  new Map([...filesOf(join(root, 'dist'))].filter(([name]) => !TIMED.has(name)));

async function run(overrides: UserConfig, root = project(), options: { force?: boolean } = {}) {
  const { onEvent, told } = listener();
  await (await pipelineOf(root, overrides)).run({ ...options, onEvent });
  // Whatever came: the local cache is whole, and nothing lies beside it.
  const cacheDir = join(root, '.anneal', 'cache');
  const entries = entriesOf(cacheDir);
  expect(entries.map(([phase]) => phase).toSorted()).toEqual(PHASES.toSorted());
  expect(readdirSync(join(root, '..'))).toEqual(['project']);
  expect(readdirSync(root).toSorted()).toEqual(['.anneal', 'dist']);
  return { ...told(), root, result: resultOf(root) };
}

const fetched = [...PHASES.map((phase) => `main.${phase} cached`), 'main.emit'];
const computed = [...PHASES.map((phase) => `main.${phase}`), 'main.emit'];
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a remote cache', () => {
  it('gives a second machine what a first has made', async () => {
    const server = await storeServer();
    const first = await run(config(server.url));
    expect([first.phases, first.warnings]).toEqual([computed, []]);
    // Files are named by what is in them, and what a result consists of comes after its files.
    for (const [name, bytes] of server.files) if (name.startsWith('cas/')) expect(name).toBe(`cas/${digest(bytes)}`);
    expect([...server.files.keys()].filter((name) => name.startsWith('ac/'))).toHaveLength(PHASES.length);
    const second = await run(config(server.url));
    expect([second.phases, second.warnings]).toEqual([fetched, []]);
    expect(second.result).toEqual(first.result);
    const log = second.events.flatMap((event) => (event.type === 'log' ? [event.entry.message] : []));
    expect(log).toContain('the result of main train came from the remote cache');
    // And from there on it is in the local one.
    const asked = server.requests.length;
    await run(config(server.url), second.root);
    expect(server.requests).toHaveLength(asked);
  });

  it('does not get again what it has', async () => {
    const server = await storeServer();
    await run(config(server.url));
    const before = server.asked('PUT');
    expect(new Set(before).size).toBe(before.length);
    // Another build of the same weights: training is not asked for, its files are there.
    server.files.delete([...server.files.keys()].find((name) => name.startsWith('ac/'))!);
    await run(config(server.url), project(), { force: true });
    const again = server.asked('PUT').slice(before.length);
    expect(again.filter((name) => name.startsWith('ac/'))).toHaveLength(PHASES.length);
    // What holds times differs: the report of the training, and what was measured.
    expect(again.filter((name) => name.startsWith('cas/')).length).toBeLessThanOrEqual(2);
  });

  it('gets nothing where it is only read', async () => {
    const server = await storeServer();
    await run(config({ url: server.url, readOnly: true }));
    expect(server.asked('PUT')).toEqual([]);
    expect(server.asked('GET')).toHaveLength(PHASES.length);
  });

  it('is sent the headers of the config', async () => {
    const server = await storeServer();
    await run(config({ url: `${server.url}/`, headers: { authorization: 'Bearer x' } }));
    expect(server.requests.length).toBeGreaterThan(PHASES.length);
    for (const { headers, name } of server.requests) {
      expect([headers.authorization, name.includes('//')]).toEqual(['Bearer x', false]);
    }
  });

  it('may be anything that keeps bytes by name', async () => {
    const kept = new Map<string, Uint8Array[]>();
    const remote: RemoteCache = {
      get: async (name) => {
        const pieces = kept.get(name);
        return (
          pieces &&
          (async function* () {
            yield* pieces;
          })()
        );
      },
      put: async (name, { open, size }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of open()) pieces.push(piece);
        expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(size);
        kept.set(name, pieces);
      },
    };
    const first = await run(config(remote));
    const second = await run(config(remote));
    expect([second.phases, second.warnings]).toEqual([fetched, []]);
    expect(second.result).toEqual(first.result);
  });
});

/** Changes a listing. */
const listing =
  (change: (value: Record<string, never>) => unknown): ((bytes: Buffer) => Buffer) =>
  (bytes) =>
    Buffer.from(JSON.stringify(change(JSON.parse(bytes.toString()) as Record<string, never>)));
const flipped = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1]! ^= 1;
  return copy;
};
const named = (name: string) =>
  listing((value) => ({ ...value, files: { [name]: Object.values(value['files']!)[0] } }));
const sized = (bytes: unknown) =>
  listing((value) => ({ ...value, files: { 'value.json': { bytes, sha256: 'a'.repeat(64) } } }));

/** Bytes that are answered in place of those that were put there. */
const LIES: Readonly<Record<string, readonly ['ac' | 'cas', (bytes: Buffer) => Buffer, RegExp]>> = {
  'a changed byte of a file': ['cas', flipped, /has other contents/],
  'a file cut short': ['cas', (bytes) => bytes.subarray(0, -1), /has \d+ bytes instead of \d+/],
  'a file too long': ['cas', (bytes) => Buffer.concat([bytes, bytes]), /has more than \d+ bytes/],
  'an empty file': ['cas', () => Buffer.alloc(0), /has 0 bytes instead of/],
  'a listing cut short': ['ac', (bytes) => bytes.subarray(0, -9), /JSON/],
  'a listing that is none': ['ac', () => Buffer.from('null'), /no result of this version/],
  'a page for people': ['ac', () => Buffer.from('<!doctype html><title>Log in</title>'), /JSON/],
  'a listing of another version': ['ac', listing((value) => ({ ...value, schemaVersion: 2 })), /of this version/],
  'the listing of another key': ['ac', listing((value) => ({ ...value, key: 'b'.repeat(64) })), /another key/],
  'the listing of another phase': ['ac', listing((value) => ({ ...value, phase: 'emit' })), /another key/],
  'no files': ['ac', listing((value) => ({ ...value, files: {} })), /has 0 files/],
  'too many files': [
    'ac',
    listing((value) => ({
      ...value,
      files: Object.fromEntries(
        Array.from({ length: 1001 }, (_, i) => [`f${i}`, { bytes: 0, sha256: 'a'.repeat(64) }]),
      ),
    })),
    /has 1001 files/,
  ],
  'a name that leaves the folder': ['ac', named('../../../escaped'), /wrongly/],
  'an absolute name': ['ac', named('/tmp/escaped'), /wrongly/],
  'a hidden name': ['ac', named('.hidden'), /wrongly/],
  "the name of the cache's own file": ['ac', named('manifest.json'), /wrongly/],
  'a size below zero': ['ac', sized(-1), /wrongly/],
  'a size that is no number': ['ac', sized('many'), /wrongly/],
  'more than the cache may take': ['ac', sized(2 ** 50), /more than the cache may take/],
  'no file at all': ['ac', listing((value) => ({ ...value, files: { a: null } })), /wrongly/],
  'a listing without end': ['ac', () => Buffer.alloc(2 ** 20 + 1, 32), /more than 1048576 bytes/],
};

/** Answers that never end, or do so the wrong way. */
const always =
  (kind: string, answer: (response: ServerResponse) => void): Misbehave =>
  ({ method, name }, response) => {
    if (method !== 'GET' || !name.startsWith(kind)) return false;
    answer(response);
    return true;
  };
const endless = (response: ServerResponse): void => {
  const piece = Buffer.alloc(2 ** 16, 1);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
};
const drip = (response: ServerResponse): void => {
  const timer = setInterval(() => response.write('x'), 20);
  response.on('close', () => clearInterval(timer));
};
const FAULTS: Readonly<Record<string, readonly [Misbehave, RegExp]>> = {
  'an error': [always('ac', (response) => response.writeHead(500).end('no')), /answered 500/],
  'a refusal': [always('ac', (response) => response.writeHead(403).end()), /answered 403/],
  'a way to somewhere else': [
    always('ac', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()),
    /answered 302/,
  ],
  'a closed connection': [always('ac', (response) => response.destroy()), /socket hang up|ECONNRESET/],
  'a connection that is closed in the middle': [
    always('cas', (response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('x', () => response.destroy());
    }),
    /aborted|ECONNRESET/,
  ],
  'no answer': [always('ac', () => undefined), /it took too long/],
  'an answer that does not begin': [
    always('cas', (response) => response.writeHead(200).flushHeaders()),
    /it took too long/,
  ],
  'an answer that drips': [always('ac', drip), /it took too long/],
  'an answer without end': [always('cas', endless), /has more than \d+ bytes/],
  'files that are gone': [always('cas', (response) => response.writeHead(404).end()), /is missing/],
};

const logger = (logs: string[]): ReturnType<typeof createLogger> => createLogger(({ message }) => logs.push(message));

/** What one machine puts into a store, and another that tries to get it. */
async function exchange(server: StoreServer, secrets: readonly (string | undefined)[] = []) {
  const logs: string[] = [];
  const machine = (secret: string | undefined, stop = new AbortController()) => {
    const cache = new Cache(join(folder(), 'cache'), logger(logs));
    const entries = new RemoteEntries({
      remote: httpCache({ url: server.url }),
      cache,
      logger: logger(logs),
      signal: stop.signal,
      readOnly: false,
      secret,
      timeout: 100,
      maxBytes: 2 ** 30,
    });
    return { cache, entries, stop };
  };
  const first = machine(secrets[0]);
  await first.cache.write('data', KEY, async (at) => {
    writeFileSync(join(at, 'value.json'), '{"a":1}');
    writeFileSync(join(at, 'artifact.b'), Buffer.alloc(3000, 7));
  });
  await first.entries.publish('data', KEY);
  const second = machine(secrets[1]);
  return { first, second, logs };
}
const KEY = 'e'.repeat(64);

describe('a remote cache that answers', () => {
  it('honestly gives what was put there', async () => {
    const { first, second, logs } = await exchange(await storeServer());
    const at = (await second.entries.fetch('data', KEY))!;
    expect(at).toBe(second.cache.folder('data', KEY));
    const own = (files: ReadonlyMap<string, string>): unknown =>
      [...files].filter(([name]) => name !== 'manifest.json');
    expect(own(filesOf(at))).toEqual(own(filesOf(first.cache.folder('data', KEY))));
    expect(await second.cache.open('data', KEY)).toBe(at);
    expect(await second.entries.fetch('data', 'f'.repeat(64))).toBeUndefined();
    expect(logs).toEqual([]);
  });

  const expectNothing = async (
    { second, logs }: Awaited<ReturnType<typeof exchange>>,
    message: RegExp,
  ): Promise<void> => {
    expect(await second.entries.fetch('data', KEY)).toBeUndefined();
    expect(logs).toHaveLength(1);
    expect(logs[0]).toMatch(/^Remote cache: the result of data was not fetched \(.*\)$/);
    expect(logs[0]).toMatch(message);
    // Nothing of it is kept, here or anywhere else.
    const phase = join(second.cache.folder('data', KEY), '..');
    expect(existsSync(phase) ? readdirSync(phase) : []).toEqual([]);
    expect(existsSync(join(phase, '..', '..', 'escaped'))).toBe(false);
    expect(existsSync('/tmp/escaped')).toBe(false);
  };

  it.each(Object.entries(LIES))('with %s poisons nothing', async (_, [kind, lie, message]) => {
    const server = await storeServer();
    const both = await exchange(server);
    for (const [name, bytes] of server.files) if (name.startsWith(kind)) server.files.set(name, lie(bytes));
    await expectNothing(both, message);
  });

  it.each(Object.entries(FAULTS))('with %s costs no more than a warning', async (_, [fault, message]) => {
    const server = await storeServer();
    const both = await exchange(server);
    server.misbehave(fault);
    await expectNothing(both, message);
  });

  it('with errors is asked twice and then left alone', async () => {
    const server = await storeServer();
    const { second, logs } = await exchange(server);
    server.misbehave((_, response) => (response.writeHead(503).end(), true));
    const before = server.requests.length;
    for (let i = 0; i < 3; i++) expect(await second.entries.fetch('data', KEY)).toBeUndefined();
    await second.entries.publish('data', KEY);
    expect(server.requests).toHaveLength(before + 2);
    expect(logs).toHaveLength(2);
    expect(logs[1]).toMatch(/; it is not asked any more in this run$/);
  });

  it('with errors to what it is sent costs no more than a warning', async () => {
    const server = await storeServer();
    server.misbehave(({ method }, response) => method === 'PUT' && (response.writeHead(507).end(), true));
    const { logs } = await exchange(server);
    expect(logs).toHaveLength(1);
    expect(logs[0]).toMatch(/^Remote cache: the result of data was not sent \(.*(507|EPIPE|ECONNRESET).*\)$/);
  });

  it('does not hold up a run that is stopped', async () => {
    const server = await storeServer();
    const { second, logs } = await exchange(server);
    server.misbehave(always('ac', () => second.stop.abort()));
    await expect(second.entries.fetch('data', KEY)).rejects.toMatchObject({ name: 'AbortError' });
    expect(logs).toEqual([]);
  });

  it('with files that are what they say and still no result is believed by no build', async () => {
    const server = await storeServer();
    const first = await run(config(server.url));
    const garbage = Buffer.from('garbage');
    server.files.set(`cas/${digest(garbage)}`, garbage);
    const entry = { bytes: garbage.length, sha256: digest(garbage) };
    for (const [name, bytes] of server.files) {
      if (!name.startsWith('ac/')) continue;
      const value = JSON.parse(bytes.toString()) as { files: Record<string, unknown> };
      const files = Object.fromEntries(Object.keys(value.files).map((file) => [file, entry]));
      server.files.set(name, Buffer.from(JSON.stringify({ ...value, files })));
    }
    const { phases, warnings, result } = await run(config(server.url));
    expect(phases).toEqual(computed);
    expect(warnings[0]).toMatch(/^The result of data from the remote cache cannot be read \(.*\); it is made here$/);
    expect(result).toEqual(first.result);
  });

  it('with lies changes nothing in what is built', async () => {
    const server = await storeServer();
    const first = await run(config(server.url));
    for (const [name, bytes] of server.files) if (name.startsWith('cas/')) server.files.set(name, flipped(bytes));
    const { phases, warnings, result } = await run(config(server.url));
    expect(phases).toEqual(computed);
    expect(warnings).toHaveLength(2);
    expect(result).toEqual(first.result);
  });
});

describe('a signed remote cache', () => {
  it('gives results to those who know the secret', async () => {
    const { second, logs } = await exchange(await storeServer(), ['one', 'one']);
    expect([await second.entries.fetch('data', KEY), logs]).toEqual([second.cache.folder('data', KEY), []]);
  });

  it.each([
    ['by another', 'two'],
    ['by nobody', undefined],
  ])('is not believed what is signed %s', async (_, secret) => {
    const { second, logs } = await exchange(await storeServer(), [secret, 'one']);
    expect(await second.entries.fetch('data', KEY)).toBeUndefined();
    expect(logs[0]).toContain('(the signature is wrong)');
  });

  it('is not believed a listing with other files', async () => {
    const server = await storeServer();
    const { second, logs } = await exchange(server, ['one', 'one']);
    server.files.set(`ac/${KEY}`, named('other.json')(server.files.get(`ac/${KEY}`)!));
    expect(await second.entries.fetch('data', KEY)).toBeUndefined();
    expect(logs[0]).toContain('(the signature is wrong)');
  });
});

describe('the config of a remote cache', () => {
  it.each<[unknown, string]>([
    ['ftp://example.com', 'http'],
    ['not a url', 'http'],
    [{ url: 'https://example.com', headers: { a: 1 } }, 'headers'],
    [{ url: 'https://example.com', timeout: 0 }, 'timeout'],
    [{ url: 'https://example.com', other: 1 }, 'other'],
    [{ get: 1 }, 'remote'],
    [7, 'remote'],
  ])('refuses %j', async (remote, part) => {
    const error = await failure(pipelineOf(project(), config(remote as string)));
    expect(error.code).toBe('ANNEAL_E_CONFIG');
    expect(error.path!.slice(0, 2)).toEqual(['cache', 'remote']);
    expect(error.message).toContain(part);
  });
});
