import { readFile } from 'node:fs/promises';

import { bind, GraphBuilder, gradients, inline, interpret, memoryWriter, writeSafetensors } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { checkpointTensors, fromCheckpoint } from '../src/index.ts';
import { loadHuggingFace, openCheckpoint } from '../src/node/index.ts';
import { BERT_DIR, difference, expected, feedsOf } from './fixtures.ts';

describe('a Hugging Face checkpoint', () => {
  for (const [activation, rows] of Object.entries(expected.logits)) {
    it(`gives the logits of transformers with ${activation}`, async () => {
      const checkpoint = await openCheckpoint(BERT_DIR);
      const model = await fromCheckpoint({ ...checkpoint, config: { ...checkpoint.config, hidden_act: activation } });
      const { logits } = await interpret(model.graph, feedsOf(), { precision: 'float64' });
      expect(difference(logits!.data, rows.flat())).toBeLessThan(1e-10);
    });
  }

  it('gives the same logits in float32, to its precision', async () => {
    const { graph } = await loadHuggingFace(BERT_DIR);
    const { logits } = await interpret(graph, feedsOf());
    expect(difference(logits!.data, expected.logits['gelu']!.flat())).toBeLessThan(1e-5);
  });

  it('gives the same logits with bound dimensions', async () => {
    const { graph } = await loadHuggingFace(BERT_DIR);
    const bound = bind(graph, { batch: 3, sequence: 9 });
    for (const node of bound.nodes) for (const value of node.outputs) expect(() => value?.dims).not.toThrow();
    const { logits } = await interpret(bound, feedsOf(), { precision: 'float64' });
    expect(difference(logits!.data, expected.logits['gelu']!.flat())).toBeLessThan(1e-10);
  });

  it('is written back byte for byte', async () => {
    const model = await loadHuggingFace(BERT_DIR);
    const writer = memoryWriter();
    await writeSafetensors(await checkpointTensors(model), writer, { metadata: { format: 'pt' } });
    expect(Buffer.from(writer.bytes())).toEqual(await readFile(`${BERT_DIR}/model.safetensors`));
  });

  it('is not changed by what stands at padding positions', async () => {
    const { graph } = await loadHuggingFace(BERT_DIR);
    const other = {
      ...expected.feeds,
      input_ids: expected.feeds['input_ids']!.map((row, r) =>
        row.map((id, c) => (expected.feeds['attention_mask']![r]![c] === 0 ? 31 : id)),
      ),
    };
    const [a, b] = await Promise.all([feedsOf(), feedsOf(other)].map((feeds) => interpret(graph, feeds)));
    expect(difference(a!['logits']!.data, Array.from(b!['logits']!.data, Number))).toBeLessThan(1e-6);
  });

  it('stays finite for a row of padding alone', async () => {
    const { graph } = await loadHuggingFace(BERT_DIR);
    const empty = {
      ...expected.feeds,
      attention_mask: expected.feeds['attention_mask']!.map((row) => row.map(() => 0)),
    };
    const { logits } = await interpret(graph, feedsOf(empty));
    expect(Array.from(logits!.data, Number).every(Number.isFinite)).toBe(true);
  });

  it('can be trained: every weight has a gradient', async () => {
    const { graph } = await loadHuggingFace(BERT_DIR);
    const g = new GraphBuilder();
    const { logits } = inline(g, bind(graph, { batch: 3, sequence: 9 }));
    const weights = [...graph.parameters.keys()].map((name) => g.findParameter(name)!.value);
    const found = gradients(g, g.ops.sum(g.ops.mul(logits!, logits!)), weights);
    expect(found.size).toBe(graph.parameters.size);
    for (const [weight, gradient] of found) expect(gradient.dims).toEqual(weight.dims);
  });
});
