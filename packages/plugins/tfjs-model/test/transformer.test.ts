import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { type Graph, interpret, tensor, type TensorData } from '@anneal/graph';
import { loadHuggingFace } from '@anneal/plugin-transformer/node';
import { assertClose } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { readGraphModel } from '../src/graph-model/model.ts';
import { writeTfjs } from '../src/write/write.ts';
import { loadInTf } from './graph-files.ts';
import { expectSlope, read, type tf, toTf } from './tfjs.ts';

const folder = (name: string): string =>
  fileURLToPath(new URL(`../../transformer/test/fixtures/${name}`, import.meta.url));

/** Rows of tokens, padded, as the fixtures have them. */
function feedsOf(name: string): Record<string, TensorData> {
  const { feeds } = JSON.parse(readFileSync(`${folder(name)}/expected.json`, 'utf8')) as {
    readonly feeds: Readonly<Record<string, readonly (readonly number[])[]>>;
  };
  return Object.fromEntries(
    Object.entries(feeds).map(([key, rows]) => [key, tensor('int32', [rows.length, rows[0]!.length], rows.flat())]),
  );
}

const wide = (feeds: Record<string, TensorData>): Record<string, TensorData> =>
  Object.fromEntries(
    Object.entries(feeds).map(([key, { shape, data }]) => [key, tensor('int64', shape, Array.from(data, Number))]),
  );

async function first(graph: Graph, feeds: Record<string, TensorData>): Promise<TensorData> {
  const [output] = Object.values(await interpret(graph, feeds));
  return output!;
}

describe.each(['bert', 'distilbert'])('%s', (name) => {
  it('gives the same written for TensorFlow.js, and read again; then it trains', async () => {
    const { graph } = await loadHuggingFace(folder(name));
    const feeds = feedsOf(name);
    const wanted = await first(graph, wide(feeds));
    const files = await writeTfjs(graph);
    const model = await loadInTf(files);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([key, value]) => [key, toTf(value)]));
    const [there] = [model.execute(inputs) as tf.Tensor].flat();
    const close = { absolute: 1e-5, relative: 1e-4 };
    assertClose(tensor('float32', there!.shape, there!.dataSync() as Float32Array), wanted, close);

    const again = readGraphModel(await read(files)).graph;
    assertClose(await first(again, feeds), wanted, close);
    expect([...again.parameters.keys()].toSorted()).toEqual([...graph.parameters.keys()].toSorted());
    const rows = Object.entries(feeds).map(([key, { shape, data }]): [string, TensorData] => {
      const length = shape[1] as number;
      const at = (row: number): number[] => [0, 1].map((i) => Number(data[row * length + i]));
      return [key, tensor('int32', [2, 2], [...at(0), ...at(1)])];
    });
    await expectSlope(again, Object.fromEntries(rows));
  });
});
