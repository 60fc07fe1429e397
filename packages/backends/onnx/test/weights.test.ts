import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Backend,
  type ByteSource,
  bytesOf,
  type CompileOptions,
  type Graph,
  GraphBuilder,
  type LazyTensor,
  memorySource,
  type Program,
  tensor,
  type TensorData,
  type TensorSource,
  zeros,
} from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';

let folder: string;
let temp: string;
let backend: Backend;
const programs: Program[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'anneal-weights-test-'));
  temp = join(folder, 'temp');
  mkdirSync(temp);
  backend = await onnxBackend({ threads: 1, tempFolder: temp });
});
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.dispose()));
  expect(files()).toEqual([]);
});
afterAll(async () => {
  await backend.close();
  rmSync(folder, { recursive: true });
});

/** Compiles for one test. */
async function compile(graph: Graph, options?: CompileOptions): Promise<Program> {
  const program = await backend.compile(graph, options);
  programs.push(program);
  return program;
}

const SIZE = 512;
/** A square matrix of a megabyte: enough to go into a file. */
function matrix(seed: number): TensorData {
  return tensor(
    'float32',
    [SIZE, SIZE],
    Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * seed) % 13) - 6),
  );
}

function product(weights: Readonly<Record<string, TensorSource>>): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, SIZE]);
  for (const [name, data] of Object.entries(weights)) g.output(`x·${name}`, g.ops.matmul(x, g.parameter(name, data)));
  return g.build({ name: 'product' });
}

const x = tensor(
  'float32',
  [1, SIZE],
  Float32Array.from({ length: SIZE }, (_, i) => i % 3),
);
function expected(w: TensorData): TensorData {
  const y = new Float32Array(SIZE);
  for (let i = 0; i < SIZE; i++) for (let j = 0; j < SIZE; j++) y[j]! += (i % 3) * Number(w.data[i * SIZE + j]);
  return tensor('float32', [1, SIZE], y);
}

/** Files of weights, with the bytes that are written in each. */
function files(): string[] {
  return readdirSync(temp).flatMap((session) =>
    readdirSync(join(temp, session)).map((name) => join(temp, session, name)),
  );
}

/** A source that can only be read, or also linked. */
function fileSource(path: string, linkable: boolean): ByteSource & { reads: number } {
  const memory = memorySource(readFileSync(path), path);
  const source = {
    ...memory,
    ...(linkable && { path }),
    reads: 0,
    read: (offset: number, length: number) => {
      source.reads += 1;
      return memory.read(offset, length);
    },
  };
  return source;
}

describe('weights', () => {
  it.each(['training', 'inference'] as const)('of a small model make no file (%s)', async (purpose) => {
    const w = zeros('float32', [SIZE, 2]);
    const g = new GraphBuilder();
    g.output('y', g.ops.matmul(g.input('x', 'float32', [1, SIZE]), g.parameter('w', w)));
    const program = await compile(g.build(), { purpose });
    expect(await program.run({ x })).toEqual({ y: zeros('float32', [1, 2]) });
    expect(files()).toEqual([]);
  });

  it.each(['training', 'inference'] as const)('of a large model are written once and shared (%s)', async (purpose) => {
    const [a, b] = [matrix(3), matrix(5)];
    const one = await compile(product({ a }), { purpose });
    const both = await compile(product({ a, b }), { purpose });
    const again = await compile(product({ a, b }), { purpose });
    expect(files().map((file) => statSync(file).size)).toEqual([2 ** 20, 2 ** 20]);
    expect(await one.run({ x })).toEqual({ x·a: expected(a) });
    expect(await both.run({ x })).toEqual({ x·a: expected(a), x·b: expected(b) });
    expect(await again.run({ x })).toEqual({ x·a: expected(a), x·b: expected(b) });

    await both.dispose();
    expect(files()).toHaveLength(2);
    await one.dispose();
    expect(await again.run({ x })).toEqual({ x·a: expected(a), x·b: expected(b) });
    await again.dispose();
    expect(files()).toEqual([]);
    const later = await compile(product({ a }), { purpose });
    expect(await later.run({ x })).toEqual({ x·a: expected(a) });
  });

  it('are written once by programs that compile at the same time', async () => {
    const a = matrix(3);
    const programs = await Promise.all([compile(product({ a })), compile(product({ a }))]);
    expect(files()).toHaveLength(1);
    for (const program of programs) expect(await program.run({ x })).toEqual({ x·a: expected(a) });
  });

  it('are removed when a compilation fails', async () => {
    const g = new GraphBuilder();
    const types = [{ dtype: 'float32' as const, shape: [1] }];
    g.output('y', g.one('Foo', [g.parameter('w', matrix(3))], { domain: 'custom', types }));
    await expect(compile(g.build())).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
    expect(files()).toEqual([]);
  });

  it('are removed with everything else on close', async () => {
    const others = readdirSync(temp);
    const closing = await onnxBackend({ threads: 1, tempFolder: temp });
    await closing.compile(product({ a: matrix(3) }));
    expect(readdirSync(temp)).toHaveLength(others.length + 1);
    await closing.close();
    expect(readdirSync(temp)).toEqual(others);
  });

  it('cannot be written to a folder that is not there', async () => {
    const lost = await onnxBackend({ threads: 1, tempFolder: join(folder, 'nowhere') });
    await expect(lost.compile(product({ a: matrix(3) }))).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringContaining('no folder for weights can be made'),
      fix: 'set `tempFolder` to a folder that can be written',
    });
    await lost.close();
  });
});

describe('weights in a file', () => {
  const a = matrix(3);
  const b = matrix(7);
  /** Both matrices behind a header of odd length. */
  function checkpoint(): string {
    const path = join(folder, 'model.bin');
    writeFileSync(path, Buffer.concat([Buffer.alloc(7, 'x'), bytesOf(a), bytesOf(b)]));
    return path;
  }
  function lazy(source: ByteSource): Record<'a' | 'b', LazyTensor> {
    const { dtype, shape } = a;
    return { a: { dtype, shape, source, offset: 7 }, b: { dtype, shape, source, offset: 7 + 2 ** 20 } };
  }
  const results = { x·a: expected(a), x·b: expected(b) };

  it('are used where they are', async () => {
    const path = checkpoint();
    const source = fileSource(path, true);
    const program = await compile(product(lazy(source)), { purpose: 'training' });
    expect(await program.run({ x })).toEqual(results);
    expect(source.reads).toBe(0);
    expect(files().map((file) => statSync(file).ino)).toEqual([statSync(path).ino]);
    await program.dispose();
    expect(files()).toEqual([]);
    expect(existsSync(path)).toBe(true);
    expect(await (await compile(product(lazy(source)))).run({ x })).toEqual(results);
  });

  it('are found behind a symbolic link', async () => {
    checkpoint();
    const path = join(folder, 'link.bin');
    symlinkSync('model.bin', path);
    const source = fileSource(path, true);
    const program = await compile(product(lazy(source)));
    expect(await program.run({ x })).toEqual(results);
    expect(source.reads).toBe(0);
  });

  it('are copied when they cannot be linked', async () => {
    const source = { ...fileSource(checkpoint(), false), path: join(folder, 'gone.bin') };
    const program = await compile(product(lazy(source)));
    expect(await program.run({ x })).toEqual(results);
    expect(files().map((file) => statSync(file).size)).toEqual([2 * 2 ** 20]);
  });

  it('are copied when they come from somewhere else, once', async () => {
    const source = fileSource(checkpoint(), false);
    const weights = lazy(source);
    for (const program of [await compile(product(weights)), await compile(product(weights))]) {
      expect(await program.run({ x })).toEqual(results);
    }
    expect(source.reads).toBe(2);
  });

  it('keep the code of an error in the source', async () => {
    const source = memorySource(new Uint8Array(100), 'short.bin');
    await expect(compile(product(lazy(source)))).rejects.toMatchObject({
      code: 'ANNEAL_E_FORMAT',
      message: expect.stringContaining('short.bin'),
    });
    expect(files()).toEqual([]);
  });
});
