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

export const transformerRules: Record<'Dropout' | 'RotaryEmbedding' | 'com.microsoft.RotaryEmbedding', VjpRule> = {
  Dropout: dropout,
  RotaryEmbedding: rotary('', 2),
  'com.microsoft.RotaryEmbedding': rotary('com.microsoft', 3),
};
