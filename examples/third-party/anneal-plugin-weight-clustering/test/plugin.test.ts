import { gzipSync } from 'node:zlib';

import { openBackend } from '@anneal/backend-onnx';
import { definePlugin } from '@anneal/core';
import { runPipeline, testPlugin, tinyTextClassification } from '@anneal/testkit';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { weightClustering } from '../src/index.ts';

/** Answers the hook as another plugin would. */
const answering = (clusters: (before: number, name: string) => number) =>
  definePlugin({
    name: 'answering',
    options: v.strictObject({}),
    setup(api) {
      api.hooksOf('weight-clustering').transformClusters.tap((before, { name }) => clusters(before, name));
    },
  })();

const SMALL = { minElements: 16 };
const MODEL = 'onnx/model_clustered.onnx';

describe('weight clustering', () => {
  testPlugin(weightClustering, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => openBackend({ threads: 1 }) },
    valid: [
      {
        name: 'small weights stay',
        check({ files, logs }) {
          if (files.has(MODEL)) throw new Error('there was nothing to cluster');
          if (!logs.some(({ message }) => message.startsWith('No weight has 1024'))) throw new Error('nobody was told');
        },
      },
      {
        name: 'a model of another file',
        options: { ...SMALL, clusters: 4 },
        check({ files }) {
          if (!files.has(MODEL)) throw new Error(`no ${MODEL} in ${[...files.keys()].join()}`);
        },
      },
    ],
    invalid: [
      { options: { clusters: 1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['clusters'] }] },
      { options: { minElements: 0 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['minElements'] }] },
      {
        name: 'half a cluster',
        options: SMALL,
        plugins: [answering(() => 0.5), ...tinyTextClassification()],
        errors: [{ code: 'WEIGHT_CLUSTERING_E_CLUSTERS', hook: 'compress.transformModel' }],
      },
    ],
  });

  it('leaves what another plugin spares', async () => {
    const build = async (clusters: (before: number, name: string) => number) => {
      const plugins = [weightClustering({ ...SMALL, clusters: 2 }), answering(clusters), ...tinyTextClassification()];
      return (await runPipeline({ plugins })).files;
    };
    const names: string[] = [];
    const all = await build((before, name) => (names.push(name), before));
    const some = await build((before, name) => (name.startsWith('embeddings') ? 0 : before));
    const none = await build(() => 0);
    expect(names).toContain('embeddings.word_embeddings.weight');
    expect(none.has(MODEL)).toBe(false);
    const sizes = [all, some].map((files) => gzipSync(files.get(MODEL)!).length);
    expect(sizes[0]!).toBeLessThan(sizes[1]!);
  });
});
