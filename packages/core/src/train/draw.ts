import { tensor, type TensorData } from '@anneal/graph';

import { random } from '../random.ts';
import type { RandomInput } from './step-graph.ts';

/** The values of a random input: a function of seed, stage, step and name alone. */
export function draw(input: RandomInput, seed: number, keys: readonly (string | number)[]): TensorData {
  const { shape, distribution } = input;
  const size = shape.reduce((a, b) => a * b, 1);
  const stream = random(seed, ...keys);
  switch (distribution.kind) {
    case 'keep-mask': {
      const { dropped } = distribution;
      const words = stream.words(Math.ceil(size / 4));
      for (let i = 0; i < words.length; i++) words[i] = bytesAtLeast(words[i] as number, dropped);
      // The order of bytes within a word does not matter to a mask, but every supported platform is little-endian.
      return tensor('bool', shape, new Uint8Array(words.buffer, 0, size));
    }
    case 'uniform':
      return tensor('float32', shape, stream.uniform(size, distribution));
    case 'normal':
      return tensor('float32', shape, stream.normal(size, distribution));
    case 'bernoulli': {
      const { rate } = distribution;
      return tensor(
        'float32',
        shape,
        stream.uniform(size).map((u) => (u < rate ? 1 : 0)),
      );
    }
    case 'dropout': {
      const { rate } = distribution;
      const kept = 1 / (1 - rate);
      return tensor(
        'float32',
        shape,
        stream.uniform(size).map((u) => (u < rate ? 0 : kept)),
      );
    }
  }
}

/**
 * For each of the four bytes of a word: 1 when it is at least `limit` (1 to 255), else 0. All four at once, because masks
 * have millions of bytes a step: the sums below cannot carry from one byte into the next.
 */
function bytesAtLeast(word: number, limit: number): number {
  const low = (word & 0x7f7f7f7f) + (0x80 - (limit & 0x7f)) * 0x01010101;
  // Bit 7 of a byte of `low`: its lower seven bits reach those of the limit. Bit 7 of the byte itself outranks them.
  const reached = limit < 0x80 ? low | word : low & word;
  return (reached >>> 7) & 0x01010101;
}
