import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../src/formats/gguf/read.ts';
import { memorySource, memoryWriter } from '../../src/formats/source.ts';
import { readSafetensors } from '../../src/formats/safetensors/read.ts';
import { writeSafetensors } from '../../src/formats/safetensors/write.ts';
import { loadGguf } from '../../src/node/index.ts';
import { bytesOf, loadTensor } from '../../src/tensor.ts';
import { countingSource, errorOf, expectFormatError, expectQuickFormatError } from './harness.ts';
import { mutate } from './mutate.ts';

/** Written by tools/goldens/gguf/make.py with the Python package of llama.cpp. */
const path = fileURLToPath(new URL('../fixtures/quantized.gguf', import.meta.url));
const fixture = new Uint8Array(readFileSync(path));

const TYPES = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K'];

describe('a file of the Python package', () => {
  it('has metadata of every type', async () => {
    const { version, metadata } = await loadGguf(path);
    expect(version).toBe(3);
    expect(Object.fromEntries(metadata)).toMatchObject({
      'general.architecture': 'llama',
      'general.name': 'a tiny model, é',
      't.uint8': 255,
      't.int8': -128,
      't.uint16': 65535,
      't.int16': -32768,
      't.uint32': 2 ** 32 - 1,
      't.int32': -(2 ** 31),
      't.uint64': 2n ** 64n - 1n,
      't.int64': -5,
      't.float32': 0.5,
      't.float64': 0.1,
      't.bool': true,
      't.strings': ['<s>', '▁a', ''],
      't.numbers': [1, -2, 3],
    });
  });

  it('has plain tensors, in row-major order', async () => {
    const { tensors } = await readGguf(memorySource(fixture));
    const shapes = [...tensors]
      .filter(([name]) => name.startsWith('plain.'))
      .map(([name, t]) => [name, t.dtype, t.shape]);
    expect(shapes).toEqual([
      ['plain.F32', 'float32', [2, 3]],
      ['plain.F16', 'float16', [2, 3]],
      ['plain.F64', 'float64', [2, 3]],
      ['plain.I8', 'int8', [1, 3]],
      ['plain.I16', 'int16', [1, 3]],
      ['plain.I32', 'int32', [1, 3]],
      ['plain.I64', 'int64', [1, 3]],
      ['plain.BF16', 'bfloat16', [2, 4]],
    ]);
    expect((await loadTensor(tensors.get('plain.I16')!)).data).toEqual(Int16Array.of(1, -2, 3));
    expect((await loadTensor(tensors.get('plain.I64')!)).data).toEqual(BigInt64Array.of(1n, -2n, 3n));
  });

  it.each(TYPES)('has %s tensors, which are dequantised to the same floats', async (type) => {
    const { tensors } = await readGguf(memorySource(fixture));
    const blocks = tensors.get(`blocks.${type}`)!;
    expect([blocks.type, blocks.dtype, blocks.shape]).toEqual([type, 'float32', [3, 512]]);
    const [actual, expected] = [await loadTensor(blocks), await loadTensor(tensors.get(`expected.${type}`)!)];
    expect(new Set(Array.from(expected.data, Number)).size).toBeGreaterThan(100);
    expect(actual).toEqual(expected);
  });

  it('computes only the blocks that a range touches', async () => {
    const source = countingSource(memorySource(fixture));
    const { tensors } = await readGguf(source);
    source.bytesRead = 0;
    const whole = bytesOf(await loadTensor(tensors.get('expected.Q4_K')!));
    source.bytesRead = 0;
    const random = seededRandom(1);
    for (let round = 0; round < 50; round++) {
      const from = Math.floor(random() * whole.length);
      const length = Math.floor(random() * Math.min(2000, whole.length - from));
      source.bytesRead = 0;
      expect(await tensors.get('blocks.Q4_K')!.source.read(from, length)).toEqual(whole.subarray(from, from + length));
      expect(source.bytesRead).toBeLessThanOrEqual((Math.ceil(length / 1024) + 1) * 144);
    }
  });

  it('can be copied to another format', async () => {
    const { tensors } = await readGguf(memorySource(fixture));
    const writer = memoryWriter();
    await writeSafetensors(new Map([['w', tensors.get('blocks.Q6_K')!]]), writer);
    const copy = (await readSafetensors(memorySource(writer.bytes()))).tensors.get('w')!;
    expect(await loadTensor(copy)).toEqual(await loadTensor(tensors.get('expected.Q6_K')!));
  });

  it('lists tensors that cannot be dequantised', async () => {
    const { tensors } = await readGguf(memorySource(fixture, 'm.gguf'));
    expect(tensors.get('blocks.IQ4_NL')?.shape).toEqual([1, 32]);
    await expectFormatError(
      () => loadTensor(tensors.get('blocks.IQ4_NL')!),
      /m\.gguf, tensor "blocks\.IQ4_NL".*IQ4_NL cannot be read/,
    );
  });
});

/** A header of these parts: numbers are 32 bits, bigints 64, strings have their length in front. */
function gguf(...parts: (number | bigint | string)[]): Uint8Array {
  const bytes: number[] = [...new TextEncoder().encode('GGUF')];
  const push = (value: bigint, count: number): void => {
    for (let i = 0; i < count; i++) bytes.push(Number((value >> BigInt(8 * i)) & 255n));
  };
  for (const part of parts) {
    if (typeof part === 'number') push(BigInt(part), 4);
    else if (typeof part === 'bigint') push(part, 8);
    else {
      const text = new TextEncoder().encode(part);
      push(BigInt(text.length), 8);
      bytes.push(...text);
    }
  }
  return Uint8Array.from(bytes);
}

describe('hostile files', () => {
  const read = (bytes: Uint8Array): Promise<unknown> => readGguf(memorySource(bytes, 'm.gguf'));
  const tensor = (rank: number, dims: bigint[], type: number, offset: bigint): Uint8Array =>
    gguf(3, 1n, 0n, 'w', rank, ...dims, type, offset);

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /4 bytes are needed, 0 are left/],
    ['other text', new TextEncoder().encode('GGML and so on'), /does not begin with "GGUF"/],
    ['version 1', gguf(1), /version 1 is not supported/],
    ['big-endian numbers', gguf(0x03000000), /a big-endian file/],
    ['too many tensors', gguf(3, 2n ** 40n, 0n), /1099511627776 tensors are more than the file can hold/],
    ['a count of 2^64 - 1', gguf(3, 2n ** 64n - 1n, 0n), /18446744073709551615, which is not possible/],
    ['too many metadata', gguf(3, 0n, 100n), /100 metadata entries are more/],
    ['a string of 2^40 bytes', gguf(3, 0n, 1n, 2n ** 40n), /a string of 1099511627776 bytes, 0 are left/],
    ['a key twice', gguf(3, 0n, 2n, 'a', 4, 1, 'a', 4, 1), /key "a" is there twice/],
    ['an unknown value', gguf(3, 0n, 1n, 'a', 13), /unknown metadata type 13/],
    ['a huge array', gguf(3, 0n, 1n, 'a', 9, 4, 2n ** 50n), /an array of 1125899906842624 elements/],
    [
      'arrays in arrays',
      gguf(3, 0n, 1n, 'a', 9, ...Array.from({ length: 12 }, () => [9, 1n]).flat(), 4, 0n),
      /nest deeper than 8/,
    ],
    ['an alignment of 0', gguf(3, 0n, 1n, 'general.alignment', 4, 0), /alignment of 0/],
    ['an alignment that is text', gguf(3, 0n, 1n, 'general.alignment', 8, 'x'), /alignment of x/],
    ['five axes', tensor(5, [1n], 0, 0n), /tensor "w" has 5 axes/],
    ['an axis of 2^60', tensor(1, [2n ** 60n], 0, 0n), /a dimension of tensor "w" is 1152921504606846976/],
    ['axes that overflow', tensor(2, [2n ** 40n, 2n ** 40n], 0, 0n), /tensor "w".*more elements than any file/],
    ['an unknown tensor type', tensor(1, [1n], 99, 0n), /tensor "w".*unknown tensor type 99/],
    ['a removed tensor type', tensor(1, [1n], 4, 0n), /unknown tensor type 4/],
    ['half a block', tensor(1, [16n], 2, 0n), /rows of 16 elements do not fill blocks of 32/],
    ['data beyond the file', tensor(1, [1n], 0, 2n ** 40n), /tensor "w", byte \d+: 4 bytes from \d+ are outside/],
    ['too little data', tensor(1, [2n ** 40n], 8, 0n), /outside the file/],
    [
      'a tensor twice',
      gguf(3, 2n, 0n, 'w', 1, 0n, 0, 0n, 'w', 1, 0n, 0, 0n, ...Array.from({ length: 8 }, () => 0n)),
      /two tensors have this name/,
    ],
  ])('%s', async (_, bytes, message) => {
    const error = await expectQuickFormatError(() => read(bytes), message);
    expect(error.message).toMatch(/^m\.gguf/);
    expect(error.at).toMatchObject({
      file: 'm.gguf',
      ...(/twice/.test(_) ? {} : { offset: expect.any(Number) as number }),
    });
  });

  it('cut off anywhere', async () => {
    for (let length = 0; length < 2500; length += 7)
      await expectFormatError(() => read(fixture.subarray(0, length)), /^m\.gguf/);
  });

  it('edited at random', async () => {
    const random = seededRandom(23);
    const header = fixture.subarray(0, 4000);
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const bytes = mutate(header, random);
      const result = await readGguf(memorySource(bytes, 'm.gguf')).catch((error: unknown) => error);
      if (!(result instanceof Error)) continue;
      refused++;
      expect((await errorOf(() => Promise.reject(result))).code).toBe('ANNEAL_E_FORMAT');
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
