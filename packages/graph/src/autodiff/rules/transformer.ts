import type { Value } from '../../ir.ts';
import type { VjpRule } from '../types.ts';

/** Dropout as inference runs it; while training the engine has replaced it by a product with a mask. */
const dropout: VjpRule = (c) => (c.constant(2)?.[0] === 1 ? [] : [() => c.dy]);

/** A rotation is undone by the opposite angle: the same operator with the sine negated. */
const rotary =
  (domain: string, sine: number): VjpRule =>
  (c) => [
    () => {
      const inputs = c.inputs.map((value, i): Value | undefined => {
        if (i === 0) return c.dy;
        return i === sine ? c.ops.neg(c.x(sine)) : value;
      });
      return c.g.one('RotaryEmbedding', inputs, { domain, attributes: c.attributes });
    },
  ];

/** The derivative that was given; most losses are differentiated with 1, which needs no product. */
const withGradient: VjpRule = (c) => [
  () => c.dy,
  () => {
    const gradient = c.x(2);
    const isOne = c.g.constantOf(c.dy)?.data[0] === 1;
    return isOne ? gradient : c.ops.mul(gradient, c.ops.cast(c.dy, gradient.dtype));
  },
];

export const transformerRules: Record<
  'Dropout' | 'RotaryEmbedding' | 'com.microsoft.RotaryEmbedding' | 'anneal.WithGradient',
  VjpRule
> = {
  'anneal.WithGradient': withGradient,
  Dropout: dropout,
  RotaryEmbedding: rotary('', 2),
  'com.microsoft.RotaryEmbedding': rotary('com.microsoft', 3),
};
