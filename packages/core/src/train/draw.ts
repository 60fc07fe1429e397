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
      // The order of bytes within a word does not matter to a mask, but every supported platform is little-endian.
      const bytes = new Uint8Array(stream.words(Math.ceil(size / 4)).buffer, 0, size);
      for (let i = 0; i < size; i++) bytes[i] = (bytes[i] as number) < dropped ? 0 : 1;
      return tensor('bool', shape, bytes);
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
