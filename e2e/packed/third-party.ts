import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { Report } from '@anneal/core';
import { Ajv } from 'ajv';
import { expect, it } from 'vitest';

import { type Place, readJson } from './install.ts';
import { compileReadme } from './readme.ts';

/** Plugins of `examples/third-party`. */
export const OTHERS = ['anneal-plugin-focal-loss', 'anneal-plugin-weight-clustering'] as const;
/** The project there that uses them. */
export const PROJECT = 'project';
const MODEL = 'dist/onnx/model_clustered.onnx';

/** Bytes of the model after gzip. */
const zipped = (root: string): number => gzipSync(readFileSync(join(root, PROJECT, MODEL))).length;

/** Builds and packs the plugins and unpacks them where the project finds them, as from a registry. */
export async function unpackOthers({ root, run }: Place): Promise<void> {
  for (const cwd of OTHERS) {
    await run('npm', ['run', 'build'], { cwd });
    const packed = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd });
    const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }];
    const folder = join(PROJECT, 'node_modules', cwd);
    mkdirSync(join(root, folder), { recursive: true });
    await run('tar', ['xzf', join(root, cwd, filename), '--strip-components=1'], { cwd: folder });
  }
}

/** Tests what strangers would write. */
export function thirdParty(place: () => Place, node: string): void {
  it.each(OTHERS)('%s passes its own tests', async (cwd) => {
    expect(await place().run('npm', ['test'], { cwd, node })).toMatch(/Tests .*\d+ passed/);
  });

  it('a project with both is built, and --set reaches their options', async () => {
    const { root, run } = place();
    for (const made of ['dist', '.anneal']) rmSync(join(root, PROJECT, made), { recursive: true, force: true });
    await run('npm', ['run', 'build'], { cwd: PROJECT, node });
    const { metrics, gates } = readJson(root, PROJECT, 'dist/report.json') as Report;
    expect(gates).toMatchObject([{ metric: 'accuracy.drop', passed: true }]);
    expect(metrics.after).toBeDefined();
    const with32 = zipped(root);
    expect(with32).toBeLessThan(0.5 * readFileSync(join(root, PROJECT, MODEL)).length);
    const set = ['--set', 'plugins.weight-clustering.clusters=4', '--set', 'gates={}'];
    await run('npx', ['anneal', 'build', ...set], { cwd: PROJECT, node });
    expect(zipped(root)).toBeLessThan(0.8 * with32);
  });
}

/** Tests what people see of the plugins of strangers. */
export function thirdPartyConfigs(place: () => Place): void {
  it('the project has the types of their options and hooks', async () => {
    await place().run('npx', ['tsc'], { cwd: PROJECT });
  });

  it('a plugin of the project taps the hook of theirs', async () => {
    const shown = await place().run('npx', ['anneal', 'inspect', 'hooks', '--json'], { cwd: PROJECT });
    const taps = JSON.parse(shown) as readonly { readonly hook: string; readonly plugin: string }[];
    expect(taps).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ hook: 'train.transformLoss', plugin: 'focal-loss' }),
        expect.objectContaining({ hook: 'compress.transformModel', plugin: 'weight-clustering' }),
        expect.objectContaining({ hook: 'weight-clustering.transformClusters', plugin: 'fine-embeddings' }),
      ]),
    );
  });

  it('the JSON Schema has their options', async () => {
    const { root, run } = place();
    await run('npm', ['run', 'schema'], { cwd: PROJECT });
    const schema = readJson(root, PROJECT, 'anneal.schema.json') as object;
    expect(schema).toMatchObject({
      definitions: {
        'focal-loss': { properties: { gamma: { default: 2, description: expect.any(String) as string } } },
        'weight-clustering': {
          properties: { clusters: { default: 16, description: 'Distinct numbers of a weight.' } },
        },
      },
    });
    const validate = new Ajv({ strict: false }).compile(schema);
    expect(validate({ plugins: [['weight-clustering', { clusters: 8 }], 'focal-loss'] })).toBe(true);
    expect(validate({ plugins: [['weight-clustering', { cluster: 8 }]] })).toBe(false);
  });

  it('names the near option', async () => {
    const set = ['--set', 'plugins.weight-clustering.cluster=4'];
    await expect(place().run('npx', ['anneal', 'plan', ...set], { cwd: PROJECT })).rejects.toThrow(
      /unknown option `cluster`, did you mean `clusters`\?/,
    );
  });

  it.each(OTHERS)('the README of %s compiles', async (cwd) => {
    await compileReadme(place(), cwd, 'test');
  });
}
