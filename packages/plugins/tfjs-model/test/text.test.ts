import { describe, expect, it } from 'vitest';

import { fingerprint64 } from '../src/text/fingerprint.ts';
import { textEncoder } from '../src/text/steps.ts';
import { tf } from './tfjs.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('fingerprint64', () => {
  it.each(['', 'a', 'ab', 'a b', 'abcd', 'grüße', 'abcdefg', 'abcdefgh', 'abcdefghijklmno', '0123456789abcdef'])(
    'hashes "%s" to the bucket of TensorFlow.js',
    (text) => {
      const buckets = 5003;
      const [wanted] = tf.string.stringToHashBucketFast([text], buckets).dataSync();
      expect(Number(fingerprint64(utf8(text)) % BigInt(buckets))).toBe(wanted);
    },
  );

  it('refuses more than 16 bytes, which are hashed in another way', () => {
    expect(() => fingerprint64(new Uint8Array(17))).toThrow('at most 16 bytes, received 17');
  });
});

describe('textEncoder', () => {
  const steps = { ngrams: 2, separator: ' ', buckets: 100, length: 4 };
  const bucket = (bytes: readonly number[]): number => Number(fingerprint64(Uint8Array.from(bytes)) % 100n);

  it('hashes runs of bytes, as many as the model reads', () => {
    const space = 0x20;
    expect([...textEncoder(steps)('é!')]).toEqual([bucket([0xc3, space, 0xa9]), bucket([0xa9, space, 0x21])]);
    expect(textEncoder(steps)('abcdefghi')).toHaveLength(4);
    expect(textEncoder(steps)('abcdefghi', 2)).toHaveLength(2);
    expect(textEncoder(steps)('a')).toHaveLength(0);
  });

  it('knows single bytes and longer runs', () => {
    expect([...textEncoder({ ...steps, ngrams: 1 })('ab')]).toEqual([bucket([0x61]), bucket([0x62])]);
    const three = textEncoder({ ...steps, ngrams: 3, separator: '' });
    expect([...three('abcd')]).toEqual([bucket([0x61, 0x62, 0x63]), bucket([0x62, 0x63, 0x64])]);
  });
});
