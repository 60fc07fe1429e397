import type { CompressContext, Model } from '@anneal/core';
import { setupPlugin } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { quantize, type QuantizeOptions } from '../src/index.ts';
import { bert, gaussian, products } from './models.ts';

async function compress(
  options: QuantizeOptions,
  model: Model,
  mayCompress: CompressContext['mayCompress'] = () => true,
) {
  const plugin = await setupPlugin(quantize(options));
  const ctx = { ...plugin.phase, mayCompress } as unknown as CompressContext;
  const result = await plugin.tap('compress', 'transformModel')(model, ctx);
  return { model: result as Model, logs: plugin.logs };
}

const modelOf = (graph: Model['graph']): Model => ({
  graph,
  config: { model_type: 'bert' },
  padding: { input_ids: 3 },
});

describe('quantize', () => {
  it.each<[QuantizeOptions, string, string]>([
    [{}, 'quantized', 'quantized 7 linear layers and 1 tables to int8-dynamic'],
    [{ scheme: 'int4' }, 'q4', 'quantized 7 linear layers and 1 tables to int4'],
    [{ scheme: 'fp16' }, 'fp16', 'quantized 9 weights to fp16'],
  ])('%j names the file as transformers.js does', async (options, variant, message) => {
    const { model, logs } = await compress(options, modelOf(bert({ hidden: 32, layers: 1 })));
    expect(model).toMatchObject({ variant, config: { model_type: 'bert' }, padding: { input_ids: 3 } });
    expect(logs.map((entry) => entry.message)).toEqual([message]);
  });

  it('asks other plugins, and says when nothing is left', async () => {
    const model = modelOf(products({ a: gaussian('a', 64, 64) }));
    await expect(compress({}, model, (name) => name !== 'a.weight')).rejects.toMatchObject({
      code: 'ANNEAL_E_NO_TARGET',
      message: 'no weight can be quantized',
      plugin: 'quantize',
      fix: 'lower `minElements` (now 1024) or shorten `exclude`',
    });
    await expect(compress({ minElements: 5000 }, model)).rejects.toMatchObject({ code: 'ANNEAL_E_NO_TARGET' });
    await expect(compress({ exclude: ['a'] }, model)).rejects.toMatchObject({ code: 'ANNEAL_E_NO_TARGET' });
  });

  it('warns of exclusions that match nothing', async () => {
    const model = modelOf(products({ 'block.a': gaussian('a', 64, 64), b: gaussian('b', 64, 64) }));
    const { logs } = await compress({ exclude: ['block', 'clasifier'] }, model);
    expect(logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      '`exclude` names "clasifier", which this model does not have',
    ]);
  });

  it.each<[unknown, string]>([
    [{ scheme: 'int3' }, 'scheme'],
    [{ minElements: -1 }, 'minElements'],
    [{ minElements: 0.5 }, 'minElements'],
    [{ exclude: 'classifier' }, 'exclude'],
    [{ reducedRange: true }, 'reducedRange'],
  ])('refuses %j', async (options, text) => {
    const error = await setupPlugin(quantize(options as QuantizeOptions)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ANNEAL_E_OPTIONS' });
    expect((error as Error).message).toContain(text);
  });
});
