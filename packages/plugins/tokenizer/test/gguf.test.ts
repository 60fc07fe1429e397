import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { ggufTokenizer, readTokenizer, Tokenizer, tokenizer } from '../src/index.ts';
import { Harness } from './harness.ts';

/** Written by tools/goldens/transformer/make_gguf.py with the Python package of llama.cpp. */
const file = fileURLToPath(new URL('../../transformer/test/fixtures/llama.gguf', import.meta.url));

const METADATA: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['general.architecture', 'llama'],
  ['llama.context_length', 16],
  ['tokenizer.ggml.model', 'gpt2'],
  ['tokenizer.ggml.pre', 'gpt-2'],
  ['tokenizer.ggml.tokens', ['<s>', '<x>', 'a', 'b', 'ab']],
  ['tokenizer.ggml.token_type', [3, 4, 1, 1, 1]],
  ['tokenizer.ggml.merges', ['a b']],
  ['tokenizer.ggml.bos_token_id', 0],
]);
const withEntry = (key: string, value: unknown): ReadonlyMap<string, unknown> => new Map([...METADATA, [key, value]]);

describe('the tokenizer of a GGUF file', () => {
  it('has its tokens, merges and roles', async () => {
    const harness = await new Harness().setUp(tokenizer({ from: file }), '/');
    await harness.data({ train: [{ text: 'abc' }] });
    const { artifacts } = harness;
    const ready = new Tokenizer(
      readTokenizer(artifacts.text('tokenizer.json'), artifacts.text('tokenizer_config.json')),
    );
    // `ab c` is merged; a digit is a piece of its own, for which this tiny vocabulary has nothing.
    expect([...ready.encode('abcab<|user|>b').ids]).toEqual([28, 26, 1, 3]);
    expect(ready.definition.rules).toEqual({ individualDigits: true });
    expect(ready.definition.roles).toEqual({ bos: '<|end|>', eos: '<|end|>' });
    expect(ready.definition.maxLength).toBe(16);
    expect(ready.decode(ready.encode('abc<|end|><|user|>').ids)).toBe('abc<|user|>');
    expect(JSON.parse(artifacts.text('tokenizer.json'))).toMatchObject({ truncation: null });
    expect(harness.dependencies).toEqual([file]);
  });

  it('begins texts with a token where the file says so', () => {
    expect([...new Tokenizer(ggufTokenizer(METADATA)).encode('ab').ids]).toEqual([4]);
    const begun = ggufTokenizer(withEntry('tokenizer.ggml.add_bos_token', true));
    expect([...new Tokenizer(begun).encode('ab').ids]).toEqual([0, 4]);
    expect([...new Tokenizer(begun).encode('a', { pair: 'b' }).typeIds]).toEqual([0, 0, 1]);
  });

  it.each([
    ['tokenizer.ggml.model', 'llama', 'TOKENIZER_E_UNSUPPORTED', /model `llama` is not supported/],
    ['tokenizer.ggml.pre', 'llama-bpe', 'TOKENIZER_E_UNSUPPORTED', /splitting as `llama-bpe` does is not supported/],
    ['tokenizer.ggml.tokens', undefined, 'TOKENIZER_E_FORMAT', /^tokenizer\.ggml\.tokens: /],
    ['tokenizer.ggml.merges', [3], 'TOKENIZER_E_FORMAT', /^tokenizer\.ggml\.merges\.0: /],
  ])('is refused with %s of %j', (key, value, code, message) => {
    expect(() => ggufTokenizer(withEntry(key, value))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }),
    );
  });

  it('must be there', async () => {
    const harness = await new Harness().setUp(tokenizer({ from: 'missing.gguf' }), '/');
    await expect(harness.data({ train: [] })).rejects.toThrow(
      expect.objectContaining({ code: 'TOKENIZER_E_FILE', file: '/missing.gguf' }),
    );
  });
});
