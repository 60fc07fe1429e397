import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTensor, memoryWriter, tensor, writeSafetensors } from '../../src/index.ts';
import * as node from '../../src/node/files.ts';
import * as web from '../../src/web/files.ts';

/** The two must stay interchangeable. */
const PLATFORMS: Readonly<Record<string, typeof node>> = { node, web };

let folder: string;
let server: Server;
const roots: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-files-'));
  await writeFile(join(folder, 'config.json'), '{"a": "ä"}');
  const writer = memoryWriter();
  await writeSafetensors(new Map([['w', tensor('float32', [2], [1, 2])]]), writer);
  await writeFile(join(folder, 'w.safetensors'), writer.bytes());
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/broken') response.writeHead(500).end();
    else if (pathname === '/cut')
      response.writeHead(200, { 'content-length': 10 }).write('1', () => response.destroy());
    else
      readFile(join(folder, pathname)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end('none'),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  roots['node'] = folder;
  roots['web'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(Object.entries(PLATFORMS))('files in %s', (name, files) => {
  const at = (path: string): string => files.resolvePath(roots[name] as string, path);

  it('are named from a folder, with or without a slash at its end', () => {
    const file = at('config.json');
    expect(files.resolvePath(`${roots[name]}/`, './config.json')).toBe(file);
    expect(files.joinPath(at('.'), 'config.json')).toBe(file);
    expect(files.joinPath(files.folderOf(file), 'config.json')).toBe(file);
    expect(files.resolvePath('/nowhere'.replace(/^/, name === 'web' ? 'http://localhost' : ''), file)).toBe(file);
  });

  it('are read as text, up to a limit', async () => {
    expect(await files.readText(at('config.json'), 100)).toBe('{"a": "ä"}');
    await expect(files.readText(at('config.json'), 10)).rejects.toThrow('it has 11 bytes, at most 10 are read');
  });

  it('are missed without an error, or with one', async () => {
    expect(await files.readText(at('none.json'), 100)).toBeUndefined();
    await expect(files.openFile(at('none.bin'))).rejects.toMatchObject({
      code: 'ANNEAL_E_FORMAT',
      message: expect.stringContaining('there is no such file') as string,
    });
  });

  it('are told from folders', async () => {
    expect(await files.isFolder(at('.'))).toBe(true);
    expect(await files.isFolder(at('config.json'))).toBe(false);
  });

  it('are read by range', async () => {
    const source = await files.openFile(at('config.json'));
    expect(source.size).toBe(11);
    expect(new TextDecoder().decode(await source.read(1, 3))).toBe('"a"');
    await expect(source.read(9, 3)).rejects.toMatchObject({ code: 'ANNEAL_E_FORMAT' });
  });

  it('hold weights', async () => {
    const { tensors } = await files.loadSafetensors(at('w.safetensors'));
    const found = tensors.get('w');
    expect(found && (await loadTensor(found)).data).toEqual(Float32Array.of(1, 2));
    await expect(files.loadGguf(at('w.safetensors'))).rejects.toMatchObject({ code: 'ANNEAL_E_FORMAT' });
  });
});

describe('in a page', () => {
  it.each([
    ['broken', 'the server answers 500'],
    ['cut', 'the file cannot be fetched'],
  ])('a server that fails is named: %s', async (path, message) => {
    const error = await web.openFile(web.resolvePath(roots['web'] as string, path)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ANNEAL_E_FORMAT', message: expect.stringContaining(message) as string });
  });

  it('a server that is not there is named', async () => {
    await expect(web.readText('http://127.0.0.1:1/config.json', 10)).rejects.toMatchObject({ code: 'ANNEAL_E_FORMAT' });
  });
});

it('a folder that is read as a file is an error, not a missing file', async () => {
  await expect(node.readText(folder, 1e6)).rejects.toMatchObject({ code: 'ANNEAL_E_FORMAT' });
});
