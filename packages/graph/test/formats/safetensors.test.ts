import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DType } from '../../src/dtype.ts';
import { memorySource, memoryWriter } from '../../src/formats/source.ts';
import { SAFETENSORS_DTYPES } from '../../src/formats/safetensors/header.ts';
import { readSafetensors } from '../../src/formats/safetensors/read.ts';
import { writeSafetensors, type WriteSafetensorsOptions } from '../../src/formats/safetensors/write.ts';
import { loadSafetensors, saveSafetensors } from '../../src/node/index.ts';
import { bytesOf, loadTensor, tensor, tensorFromBytes, type TensorSource, zeros } from '../../src/tensor.ts';
import { countingSource, errorOf, expectFormatError, expectQuickFormatError } from './harness.ts';
import { mutate } from './mutate.ts';

/** Written by tools/goldens/safetensors/make.py with the Python package. */
const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../fixtures/safetensors/${name}`, import.meta.url)));

async function written(
  tensors: ReadonlyMap<string, TensorSource>,
  options?: WriteSafetensorsOptions,
): Promise<Uint8Array> {
  const writer = memoryWriter();
  await writeSafetensors(tensors, writer, options);
  return writer.bytes();
}

/** The contents that make.py gives a tensor. */
const contents = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) % 251);

/** A file with that header, and as many bytes of data. */
function file(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const read = (bytes: Uint8Array): Promise<unknown> => readSafetensors(memorySource(bytes, 'm.safetensors'));

describe('files of the Python package', () => {
  const names: readonly (readonly [string, DType])[] = [
    ['bool', 'bool'],
    ['uint8', 'uint8'],
    ['int8', 'int8'],
    ['float8_e5m2', 'float8e5m2'],
    ['float8_e4m3fn', 'float8e4m3fn'],
    ['float8_e8m0fnu', 'float8e8m0'],
    ['float8_e4m3fnuz', 'float8e4m3fnuz'],
    ['float8_e5m2fnuz', 'float8e5m2fnuz'],
    ['int16', 'int16'],
    ['uint16', 'uint16'],
    ['float16', 'float16'],
    ['bfloat16', 'bfloat16'],
    ['int32', 'int32'],
    ['uint32', 'uint32'],
    ['float32', 'float32'],
    ['complex64', 'complex64'],
    ['float64', 'float64'],
    ['int64', 'int64'],
    ['uint64', 'uint64'],
  ];
  const bytesPer = (dtype: DType): number => bytesOf(zeros(dtype, [1])).byteLength;

  it('reads every element type', async () => {
    const { tensors, metadata } = await readSafetensors(memorySource(fixture('dtypes.safetensors')));
    expect(metadata).toEqual({});
    expect(tensors.size).toBe(SAFETENSORS_DTYPES.length);
    for (const [i, [name, dtype]] of names.entries()) {
      const loaded = await loadTensor(tensors.get(`${name}.${i}`)!);
      expect(loaded.dtype).toBe(dtype);
      expect(loaded.shape).toEqual([2, 3]);
      expect(bytesOf(loaded)).toEqual(contents(6 * bytesPer(dtype), i));
    }
    const packed = await loadTensor(tensors.get('float4')!);
    expect([packed.dtype, packed.shape, bytesOf(packed)]).toEqual(['float4e2m1', [2, 6], contents(6, 100)]);
  });

  it('writes the same bytes from the same tensors, in whatever order they come', async () => {
    const tensors = new Map<string, TensorSource>();
    names.forEach(([name, dtype], i) => {
      tensors.set(`${name}.${i}`, tensorFromBytes(dtype, [2, 3], contents(6 * bytesPer(dtype), i)));
    });
    tensors.set('float4', tensorFromBytes('float4e2m1', [2, 6], contents(6, 100)));
    expect(await written(tensors)).toEqual(fixture('dtypes.safetensors'));
  });

  it('writes the same metadata, empty tensors, scalars and escaped names', async () => {
    const original = fixture('metadata.safetensors');
    const { tensors, metadata } = await readSafetensors(memorySource(original));
    expect(metadata).toEqual({ format: 'pt', note: 'a "quoted" word, é' });
    expect(tensors.get('empty')?.shape).toEqual([0, 5]);
    expect((await loadTensor(tensors.get('scalar')!)).data).toEqual(new BigInt64Array(contents(8, 2).buffer));
    const shuffled = new Map([...tensors].reverse());
    expect(await written(shuffled, { metadata })).toEqual(original);
  });
});

describe('round trips', () => {
  it('keeps bytes, names, shapes and a given order, for random tensors', async () => {
    const random = seededRandom(11);
    for (let round = 0; round < 50; round++) {
      const tensors = new Map<string, TensorSource>();
      for (let i = Math.floor(random() * 8); i > 0; i--) {
        const [, dtype] = SAFETENSORS_DTYPES[Math.floor(random() * SAFETENSORS_DTYPES.length)]!;
        const shape = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * 4));
        if (dtype === 'float4e2m1') shape.push(2);
        const empty = zeros(dtype, shape);
        const bytes = bytesOf(empty).map(() => Math.floor(random() * 256));
        tensors.set(`t.${Math.floor(random() * 1e6)}`, tensorFromBytes(dtype, shape, bytes));
      }
      const bytes = await written(tensors, { sort: false, metadata: { round: String(round) } });
      expect((bytes.byteLength - [...tensors.values()].reduce((sum, t) => sum + dataBytes(t), 0)) % 8).toBe(0);
      const again = await readSafetensors(memorySource(bytes));
      expect(again.metadata).toEqual({ round: String(round) });
      const loaded = await Promise.all(
        [...again.tensors].map(async ([name, t]) => [name, await loadTensor(t)] as const),
      );
      expect(loaded.filter(([, t]) => dataBytes(t) > 0)).toEqual([...tensors].filter(([, t]) => dataBytes(t) > 0));
      expect(await written(again.tensors, { sort: false, metadata: again.metadata })).toEqual(bytes);
    }
  });

  const dataBytes = (t: TensorSource): number => ('data' in t ? t.data.byteLength : 0);

  it('reads the header only, then one tensor only', async () => {
    const bytes = await written(
      new Map([
        ['w', zeros('float32', [1000, 1000])],
        ['b', tensor('float32', [2], [3, 4])],
      ]),
    );
    const source = countingSource(memorySource(bytes));
    const { tensors } = await readSafetensors(source);
    expect(source.bytesRead).toBeLessThan(200);
    expect((await loadTensor(tensors.get('b')!)).data).toEqual(Float32Array.of(3, 4));
    expect(source.bytesRead).toBeLessThan(208);
  });
});

describe('files on disk', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('reads a tensor behind the first 5 GB', async () => {
    const path = join(folder, 'large.safetensors');
    const far = 5 * 2 ** 30;
    const header = file(
      {
        hole: { dtype: 'U8', shape: [far], data_offsets: [0, far] },
        w: { dtype: 'F32', shape: [2], data_offsets: [far, far + 8] },
      },
      0,
    );
    // A sparse file: it takes a few blocks of the disk.
    await writeFile(path, header);
    await truncate(path, header.length + far + 8);
    const { tensors } = await loadSafetensors(path);
    expect(tensors.get('w')?.offset).toBe(header.length + far);
    expect((await loadTensor(tensors.get('w')!)).data).toEqual(Float32Array.of(0, 0));
  });

  it('copies lazy tensors from file to file', async () => {
    const first = join(folder, 'first.safetensors');
    const second = join(folder, 'second.safetensors');
    await saveSafetensors(
      first,
      new Map([
        ['w', tensor('float32', [3], [1, 2, 3])],
        ['i', tensor('int8', [1], [-1])],
      ]),
    );
    const { size } = await saveSafetensors(second, (await loadSafetensors(first)).tensors);
    expect(await readFile(second)).toEqual(await readFile(first));
    expect(size).toBe((await readFile(second)).byteLength);
  });

  it('leaves the old file and nothing else when writing fails', async () => {
    const path = join(folder, 'kept.safetensors');
    await saveSafetensors(path, new Map([['w', tensor('float32', [1], [7])]]));
    const before = await readFile(path);
    const broken: TensorSource = {
      dtype: 'float32',
      shape: [1],
      offset: 0,
      source: { name: 'broken', size: 4, read: () => Promise.reject(new Error('unplugged')) },
    };
    await expect(saveSafetensors(path, new Map([['w', broken]]))).rejects.toThrow('unplugged');
    expect(await readFile(path)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('notices that a file was replaced', async () => {
    const path = join(folder, 'replaced.safetensors');
    await saveSafetensors(path, new Map([['w', tensor('float32', [1], [7])]]));
    const { tensors } = await loadSafetensors(path);
    await saveSafetensors(path, new Map([['w', tensor('float32', [2], [8, 9])]]));
    await expectFormatError(() => loadTensor(tensors.get('w')!), /replaced\.safetensors.*replaced while it was in use/);
  });

  it('says which file cannot be read', async () => {
    const missing = join(folder, 'no.safetensors');
    expect((await expectFormatError(() => loadSafetensors(missing), /there is no such file/)).at).toEqual({
      file: missing,
    });
    await expectFormatError(() => loadSafetensors(folder), /a folder, not a file/);
  });
});

describe('hostile files', () => {
  const entry = (shape: unknown, offsets: unknown, dtype: unknown = 'F32'): Record<string, unknown> => ({
    dtype,
    shape,
    data_offsets: offsets,
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /too short/],
    ['a length beyond the file', Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0, 0x7b), /header of 16 bytes, 1 are left/],
    ['a length of 2^64 - 1', new Uint8Array(8).fill(255), /at most 100000000 are allowed/],
    ['no brace', file(' {}', 0), /does not begin with/],
    ['no JSON', file('{"a"', 0), /not valid JSON/],
    ['deep JSON', file(`{"a":${'['.repeat(100_000)}`, 0), /not valid JSON/],
    ['no UTF-8', file('{"\u0000": 1}', 0).fill(0xff, 9, 12), /not valid UTF-8/],
    ['no tensor', file({ a: 3 }, 0), /tensor "a".*not described by an object/],
    ['an unknown type', file({ a: entry([1], [0, 4], 'F31') }, 4), /tensor "a".*element type "F31"/],
    ['an inherited type', file({ a: entry([1], [0, 4], 'constructor') }, 4), /element type "constructor"/],
    ['a negative size', file({ a: entry([-1], [0, 4]) }, 4), /list of whole numbers/],
    ['a fraction', file({ a: entry([0.5], [0, 2]) }, 2), /list of whole numbers/],
    ['a size of 2^60', file({ a: entry([2 ** 60], [0, 4]) }, 4), /list of whole numbers/],
    ['sizes that overflow', file({ a: entry([2 ** 30, 2 ** 30], [0, 4]) }, 4), /more elements than any file/],
    ['one offset', file({ a: entry([1], [4]) }, 4), /two whole numbers/],
    ['too few bytes', file({ a: entry([2], [0, 4]) }, 4), /F32\[2\] takes 8 bytes, its data_offsets span 4/],
    ['backward offsets', file({ a: entry([1], [4, 0]) }, 4), /takes 4 bytes, its data_offsets span -4/],
    ['half a byte', file({ a: entry([1], [0, 1], 'F4') }, 1), /do not fill whole bytes/],
    ['an overlap', file({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }, 8), /tensor "b".*overlaps/],
    ['a gap', file({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, 12), /tensor "b".*leaves a gap/],
    ['a gap in front', file({ a: entry([1], [4, 8]) }, 8), /tensor "a".*leaves a gap/],
    ['data behind the last tensor', file({ a: entry([1], [0, 4]) }, 5), /describes 4 bytes of data, the file has 5/],
    ['missing data', file({ a: entry([1], [0, 4]) }, 3), /describes 4 bytes of data, the file has 3: truncated/],
    ['metadata that are not strings', file({ __metadata__: { a: 1 } }, 0), /must map strings to strings/],
  ])('%s', async (_, bytes, message) => {
    const error = await expectQuickFormatError(() => read(bytes), message);
    expect(error.message).toMatch(/^m\.safetensors/);
    expect(error.at).toMatchObject({ file: 'm.safetensors' });
  });

  it('does not allocate what a header claims', async () => {
    // The source says 200 GB; reading that much would fail.
    const bytes = file({ a: entry([50e9], [0, 200e9]) }, 16);
    const source = countingSource(memorySource(bytes, 'm.safetensors'), bytes.byteLength - 16 + 200e9);
    const { tensors } = await readSafetensors(source);
    expect(source.bytesRead).toBeLessThan(100);
    await expectFormatError(() => loadTensor(tensors.get('a')!), /outside the file/);
  });

  it('keeps names that mean something to JavaScript', async () => {
    const text =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"10":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}';
    const { tensors } = await readSafetensors(memorySource(file(text, 2)));
    expect([...tensors.keys()]).toEqual(['__proto__', '10']);
    const again = await written(tensors, { sort: false });
    expect([...(await readSafetensors(memorySource(again))).tensors.keys()]).toEqual(['__proto__', '10']);
  });

  it('survives random edits', async () => {
    const random = seededRandom(5);
    const originals = [fixture('dtypes.safetensors'), fixture('metadata.safetensors')];
    let failures = 0;
    for (let round = 0; round < 3000; round++) {
      const bytes = mutate(originals[round % 2]!, random);
      const result = await readSafetensors(memorySource(bytes, 'm')).catch((error: unknown) => error);
      if (!(result instanceof Error)) continue;
      failures++;
      expect((await errorOf(() => Promise.reject(result))).code).toBe('ANNEAL_E_FORMAT');
    }
    expect(failures).toBeGreaterThan(2000);
  });
});

describe('what cannot be written', () => {
  it.each<[string, TensorSource, RegExp]>([
    ['a', zeros('int4', [2]), /no element type int4/],
    ['a', zeros('complex128', [1]), /no element type complex128/],
    ['__metadata__', zeros('float32', [1]), /reserves the name/],
    ['a', zeros('float4e2m1', [3]), /does not fill its bytes/],
  ])('%s', async (name, value, message) => {
    await expectFormatError(() => written(new Map([[name, value]])), message);
  });

  it('a header above 100 MB', async () => {
    const name = 'n'.repeat(100_000_000);
    await expectFormatError(() => written(new Map([[name, zeros('uint8', [1])]])), /100 MB is the limit/);
  });
});
