import { describe, expect, it } from 'vitest';

import { GraphBuilder } from '../src/builder.ts';
import type { Attributes } from '../src/ir.ts';
import { zeros } from '../src/tensor.ts';

/** Shape of a convolution by a kernel of 3 over an image of open size. */
function shapeOf(attributes: Attributes): readonly unknown[] {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 2, 'height', 'width']);
  return g.one('Conv', [x, g.constant(zeros('float32', [4, 2, 3, 3]))], { attributes }).shape;
}

describe('a convolution over an image of open size', () => {
  it.each<[string, Attributes]>([
    ['padded as much as the kernel takes', { pads: { ints: [1, 0, 1, 2] } }],
    ['dilated, and padded for it', { dilations: { ints: [2, 1] }, pads: { ints: [2, 1, 2, 1] } }],
    ['of automatic padding', { auto_pad: { string: 'SAME_UPPER' } }],
  ])('keeps the sizes by name where it is %s', (_, attributes) => {
    expect(shapeOf(attributes)).toEqual(['batch', 4, 'height', 'width']);
  });

  it.each<[string, Attributes]>([
    ['without padding', {}],
    ['with too little of it', { pads: { ints: [1, 1, 0, 0] } }],
    ['in steps', { auto_pad: { string: 'SAME_UPPER' }, strides: { ints: [2, 2] } }],
  ])('gives others %s', (_, attributes) => {
    const [, , height, width] = shapeOf(attributes);
    expect([height, width]).not.toContain('height');
    expect([height, width]).not.toContain('width');
  });
});
