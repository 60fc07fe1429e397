import { GraphBuilder, evaluate, tensor } from '@anneal/graph';
import { setupPlugin, stepContext } from '@anneal/testkit';
import { expect, it } from 'vitest';

import { clipValue } from '../src/index.ts';

it('clips large values and leaves small ones', async () => {
  const plugin = await setupPlugin(clipValue({ limit: 0.5 }));
  const g = new GraphBuilder();
  const gradients = new Map([['w', g.constant(tensor('float32', [4], [-2, -0.25, 0.5, 3]))]]);
  const clipped = plugin.tap('train', 'transformGradients')(gradients, stepContext(g, { batchSize: 1 } as never));
  g.output('w', (clipped as typeof gradients).get('w')!);
  expect([...evaluate(g.build(), {})['w']!.data]).toEqual([-0.5, -0.25, 0.5, 0.5]);
});

it.each([0, -1])('refuses the limit %d', async (limit) => {
  await expect(setupPlugin(clipValue({ limit }))).rejects.toThrow('must be > 0');
});
