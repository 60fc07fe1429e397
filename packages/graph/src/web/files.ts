import { formatError } from '../formats/error.ts';
import { type Gguf, readGguf } from '../formats/gguf/read.ts';
import { locationProblem } from '../formats/onnx/external.ts';
import { readOnnx, type ReadOnnxOptions } from '../formats/onnx/read.ts';
import { readSafetensors, type Safetensors } from '../formats/safetensors/read.ts';
import { memorySource } from '../formats/source.ts';
import type { Graph } from '../ir.ts';
import type { ByteSource } from '../tensor.ts';

// The entry `@anneal/graph/files` in a page: paths are URLs, files are fetched. What is said in ../node/files.ts holds.

export function resolvePath(root: string, path: string): string {
  return new URL(path, asFolder(root)).href;
}

export function joinPath(folder: string, name: string): string {
  return new URL(name, asFolder(folder)).href;
}

export function folderOf(path: string): string {
  return new URL('.', path).href;
}

export async function isFile(path: string): Promise<boolean> {
  return (await request(path, 'HEAD')) !== undefined;
}

/** By its name: a server tells nothing of folders. */
export function isFolder(path: string): Promise<boolean> {
  const last = new URL(path).pathname.split('/').at(-1) ?? '';
  return Promise.resolve(!last.includes('.'));
}

export async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  const response = await request(path);
  if (response === undefined) return undefined;
  const bytes = await bytesOf(path, response);
  if (bytes.length > maxBytes) {
    throw formatError({ file: path }, `it has ${bytes.length} bytes, at most ${maxBytes} are read`);
  }
  return new TextDecoder().decode(bytes);
}

/** The whole file, in memory: whoever opens a model in a page needs all of it. */
export async function openFile(path: string): Promise<ByteSource> {
  const response = await request(path);
  if (response === undefined) throw formatError({ file: path }, 'there is no such file');
  return memorySource(await bytesOf(path, response), path);
}

export async function loadSafetensors(path: string): Promise<Safetensors> {
  return readSafetensors(await openFile(path));
}

export async function loadGguf(path: string): Promise<Gguf> {
  return readGguf(await openFile(path));
}

export async function loadOnnx(path: string, options: Omit<ReadOnnxOptions, 'external'> = {}): Promise<Graph> {
  const folder = folderOf(path);
  const external = async (location: string): Promise<ByteSource> => {
    const problem = locationProblem(location);
    if (problem !== undefined) throw formatError({ file: path }, `the external data cannot be used: ${problem}`);
    return openFile(joinPath(folder, location));
  };
  return readOnnx(await openFile(path), { ...options, external });
}

function asFolder(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}

/** `undefined` when the server has no such file. */
async function request(url: string, method: 'GET' | 'HEAD' = 'GET'): Promise<Response | undefined> {
  const response = await fetch(url, { method }).catch((cause: unknown) => {
    throw formatError({ file: url }, `the file cannot be fetched: ${messageOf(cause)}`, { cause });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  if (response.status === 404 || response.status === 410) return undefined;
  throw formatError({ file: url }, `the file cannot be fetched: the server answers ${response.status}`);
}

async function bytesOf(url: string, response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw formatError({ file: url }, `the file cannot be fetched: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
