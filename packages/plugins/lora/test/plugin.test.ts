import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { runPipeline, testPlugin, tinyTextClassification } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { lora } from '../src/index.ts';

const text = (files: ReadonlyMap<string, Uint8Array>, name: string): string =>
  new TextDecoder().decode(files.get(name));

describe('lora', () => {
  testPlugin(lora, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'one layer and a head',
        options: { r: 2, targetModules: ['dense'], loraDropout: 0.1 },
        check: ({ files, report }) => {
          expect([...files.keys()]).toEqual(expect.arrayContaining(['adapter/adapter_model.safetensors']));
          expect(report.train[0]!.trainableParameters).toBe(2 * 8 * 2 + 8 * 2 + 2);
        },
      },
    ],
    invalid: [
      { options: { r: 0 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['r'] }] },
      { options: { r: 9 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['r'], hook: 'model.transformModel' }] },
      { options: { targetModules: ['query'] }, errors: [{ code: 'ANNEAL_E_NO_TARGET', path: ['targetModules'] }] },
    ],
  });
});

describe('instances', () => {
  const build = (...plugins: ReturnType<typeof lora>[]) =>
    runPipeline({ plugins: [...plugins, ...tinyTextClassification()] });

  it('adapt layers of their own, and write folders of their own', async () => {
    const { files, report, phases } = await build(
      lora.instance('encoder', { r: 2, targetModules: ['dense'], modulesToSave: [] }),
      lora.instance('head', { r: 1, targetModules: ['classifier'], modulesToSave: [], loraAlpha: 4 }),
    );
    expect(phases).toContain('main.emit');
    expect(report.train[0]!.trainableParameters).toBe(2 * 8 * 2 + (8 + 2));
    expect(report.checks).toContainEqual(expect.objectContaining({ name: 'folding is lossless', passed: true }));
    const configOf = (name: string): object => JSON.parse(text(files, `${name}/adapter_config.json`)) as object;
    expect(configOf('adapter-encoder')).toMatchObject({ r: 2, target_modules: ['encoder.layer.0.dense'] });
    expect(configOf('adapter-head')).toMatchObject({ r: 1, lora_alpha: 4, target_modules: ['classifier'] });
    expect([...files.keys()].filter((name) => name.startsWith('adapter'))).toHaveLength(4);
  });

  it('cannot adapt one layer twice', async () => {
    await expect(
      build(lora({ targetModules: ['dense'] }), lora.instance('again', { targetModules: ['dense'] })),
    ).rejects.toMatchObject({
      code: 'ANNEAL_E_OPTIONS',
      plugin: 'lora#again',
      message: 'the layer "encoder.layer.0.dense" has an adapter already, of `lora`',
    });
  });

  it('must scale alike', async () => {
    await expect(
      build(
        lora({ targetModules: ['dense'] }),
        lora.instance('b', { targetModules: ['classifier'], modulesToSave: [], r: 1, useDora: true }),
      ),
    ).rejects.toMatchObject({ code: 'ANNEAL_E_OPTIONS', plugin: 'lora#b', path: ['useDora'] });
  });
});
