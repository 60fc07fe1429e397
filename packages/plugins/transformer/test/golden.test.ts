import { readFile } from 'node:fs/promises';

import { bind, GraphBuilder, gradients, inline, interpret, memoryWriter, writeSafetensors } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { ARCHITECTURES, checkpointTensors, fromCheckpoint } from '../src/index.ts';
import { loadHuggingFace, openCheckpoint } from '../src/node/index.ts';
import { difference, feedsOf, goldenOf } from './fixtures.ts';

describe.each(Object.values(ARCHITECTURES))('a Hugging Face checkpoint of $modelType', ({ modelType, configKeys }) => {
  const { dir, expected } = goldenOf(modelType);
  const feeds = feedsOf(expected.feeds);
  const gelu = expected.logits['gelu']!.flat();

  it.each(Object.entries(expected.logits))('gives the logits of transformers with %s', async (activation, rows) => {
    const checkpoint = await openCheckpoint(dir);
    const config = { ...checkpoint.config, [configKeys.hiddenAct!]: activation };
    const { graph } = await fromCheckpoint({ ...checkpoint, config });
    expect([...graph.inputs.keys()]).toEqual(Object.keys(feeds));
    const { logits } = await interpret(graph, feeds, { precision: 'float64' });
    expect(difference(logits!.data, rows.flat())).toBeLessThan(1e-10);
  });

  it('gives the same logits in float32, to its precision', async () => {
    const { graph } = await loadHuggingFace(dir);
    const { logits } = await interpret(graph, feeds);
    expect(difference(logits!.data, gelu)).toBeLessThan(1e-5);
  });

  it('gives the same logits with bound dimensions', async () => {
    const { graph } = await loadHuggingFace(dir);
    const bound = bind(graph, { batch: 3, sequence: 9 });
    for (const node of bound.nodes) for (const value of node.outputs) expect(() => value?.dims).not.toThrow();
    const { logits } = await interpret(bound, feeds, { precision: 'float64' });
    expect(difference(logits!.data, gelu)).toBeLessThan(1e-10);
  });

  it('is written back byte for byte', async () => {
    const model = await loadHuggingFace(dir);
    const writer = memoryWriter();
    await writeSafetensors(await checkpointTensors(model), writer, { metadata: { format: 'pt' } });
    expect(Buffer.from(writer.bytes())).toEqual(await readFile(`${dir}/model.safetensors`));
  });

  it('is not changed by what stands at padding positions', async () => {
    const { graph } = await loadHuggingFace(dir);
    const other = {
      ...expected.feeds,
      input_ids: expected.feeds['input_ids']!.map((row, r) =>
        row.map((id, c) => (expected.feeds['attention_mask']![r]![c] === 0 ? 31 : id)),
      ),
    };
    const [a, b] = await Promise.all([feeds, feedsOf(other)].map((given) => interpret(graph, given)));
    expect(difference(a!['logits']!.data, Array.from(b!['logits']!.data, Number))).toBeLessThan(1e-6);
  });

  it('stays finite for a row of padding alone', async () => {
    const { graph } = await loadHuggingFace(dir);
    const mask = expected.feeds['attention_mask']!.map((row) => row.map(() => 0));
    const { logits } = await interpret(graph, feedsOf({ ...expected.feeds, attention_mask: mask }));
    expect(Array.from(logits!.data, Number).every(Number.isFinite)).toBe(true);
  });

  it('can be trained: every weight has a gradient', async () => {
    const { graph } = await loadHuggingFace(dir);
    const g = new GraphBuilder();
    const { logits } = inline(g, bind(graph, { batch: 3, sequence: 9 }));
    const weights = [...graph.parameters.keys()].map((name) => g.findParameter(name)!.value);
    const found = gradients(g, g.ops.sum(g.ops.mul(logits!, logits!)), weights);
    expect(found.size).toBe(graph.parameters.size);
    for (const [weight, gradient] of found) expect(gradient.dims).toEqual(weight.dims);
  });
});
