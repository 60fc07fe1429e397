import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const scripts = new URL('../../scripts/release/', import.meta.url);

/** What `npm publish` sends. */
interface Document {
  readonly name: string;
  readonly versions: Readonly<Record<string, { readonly repository?: object }>>;
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

/** A registry that keeps what it is sent, and refuses what `refused` names. */
class Registry {
  readonly documents = new Map<string, Document>();
  refused = '';
  readonly #server: Server = createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? '').slice(1));
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: object): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      const known = this.documents.get(name);
      if (request.method !== 'PUT') return answer(known ? 200 : 404, known ?? { error: 'not found' });
      if (name === this.refused) return answer(403, { error: 'refused' });
      this.documents.set(name, JSON.parse(Buffer.concat(chunks).toString()) as Document);
      return answer(201, { ok: true });
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

const registry = new Registry();
const folder = mkdtempSync(join(tmpdir(), 'anneal-publish-'));
let place = '';
beforeAll(async () => {
  place = await registry.listen();
});
afterAll(() => {
  registry.close();
  rmSync(folder, { recursive: true });
});

/** Packs everything and publishes three packages, in a process of their own: the registry answers in this one. */
async function publish(): Promise<readonly string[]> {
  // Nothing here can make a provenance statement: that takes the CI of a public repository.
  const flags = [
    `--registry=http://${place}/`,
    `--//${place}/:_authToken=none`,
    '--provenance=false',
    '--loglevel=silent',
  ];
  const code = `
    import { packAll } from ${JSON.stringify(new URL('pack.mjs', scripts).href)};
    import { publish } from ${JSON.stringify(new URL('publish.mjs', scripts).href)};
    const packed = packAll(${JSON.stringify(folder)}, { repository: 'git+https://example.com/anneal.git' });
    console.log(JSON.stringify(publish(packed.slice(0, 3), ${JSON.stringify(flags)})));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as readonly string[];
}

it('publishes dependencies first, goes on where it stopped, and sends nothing twice', async () => {
  registry.refused = '@anneal/core';
  await expect(publish()).rejects.toThrow('@anneal/core@');
  expect([...registry.documents.keys()]).toEqual(['@anneal/graph']);
  registry.refused = '';
  const sent = await publish();
  expect(sent.map((id) => id.replace(/@[^@]+$/, ''))).toEqual(['@anneal/core', expect.any(String)]);
  expect(await publish()).toEqual([]);
});

it('sends the bytes that were checked, with the repository that provenance is for', () => {
  for (const { name, versions, _attachments } of registry.documents.values()) {
    const [[file, { data }]] = Object.entries(_attachments) as [[string, { data: string }]];
    const packed = join(folder, file.replace('@', '').replace('/', '-'));
    expect(Buffer.from(data, 'base64').equals(readFileSync(packed)), name).toBe(true);
    const [manifest] = Object.values(versions);
    expect(manifest?.repository).toMatchObject({ url: 'git+https://example.com/anneal.git' });
    expect(manifest?.repository).toHaveProperty('directory');
  }
  expect(registry.documents.size).toBe(3);
});
