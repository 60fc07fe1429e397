import { describe, expect, it } from 'vitest';

import { random } from '../../src/random.ts';
import { draw } from '../../src/train/draw.ts';

describe('draw', () => {
  it('keeps where a byte of the stream is at least the limit, for every limit and any size', () => {
    for (let dropped = 1; dropped < 256; dropped++) {
      for (const size of [1, 7, 1024]) {
        const mask = draw({ shape: [size], distribution: { kind: 'keep-mask', dropped } }, 3, ['mask', dropped]);
        const bytes = new Uint8Array(random(3, 'mask', dropped).words(Math.ceil(size / 4)).buffer, 0, size);
        expect([...mask.data].map(Number), `${dropped} of 256`).toEqual(
          [...bytes].map((byte) => (byte < dropped ? 0 : 1)),
        );
      }
    }
  });
});
