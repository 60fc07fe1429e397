import { readFileSync } from 'node:fs';

import { type Dataset, isAnnealError, type Task } from '@anneal/core';
import { evaluate, GraphBuilder, gradients, tensor, type TensorData, type Tensors, type Value } from '@anneal/graph';
import { setupPlugin, stepContext } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { languageModeling, type LanguageModelingOptions } from '../src/index.ts';

type Rows = readonly (readonly number[])[];

/** See tools/goldens/language-modeling. */
interface Golden {
  readonly hidden: readonly Rows[];
  readonly weight: Rows;
  readonly labels: Rows;
  readonly loss: number;
  readonly perplexity: number;
  readonly losses: Rows;
  readonly hits: Rows;
  readonly gradients: { readonly hidden: readonly Rows[]; readonly weight: Rows };
}

const golden = JSON.parse(readFileSync(new URL('./fixtures/loss.json', import.meta.url), 'utf8')) as Golden;
const [BATCH, SEQUENCE, FEATURES, CLASSES] = [3, 6, 5, 13];
const labels = tensor('int64', [BATCH, SEQUENCE], golden.labels.flat());

/** Three pieces of text of 1, 3 and 2 bytes, and an end. */
const TOKENIZER = JSON.stringify({
  decoder: { type: 'ByteLevel' },
  model: { vocab: { a: 0, abc: 1, Ġa: 2 } },
  added_tokens: [{ id: 3, content: '<|end|>', special: true }],
});

async function taskOf(
  options: LanguageModelingOptions = {},
  { eos = 3, tokenizer = TOKENIZER }: { eos?: number | undefined; tokenizer?: string | undefined } = {},
): Promise<{ task: Task; logs: readonly string[] }> {
  const plugin = await setupPlugin(languageModeling(options), { seed: 4 });
  const { artifacts } = plugin.phase.run;
  artifacts.setJson('tokenizer/summary.json', { vocabSize: 4, roles: eos < 0 ? {} : { eos } });
  artifacts.set('tokenizer.json', tokenizer);
  const task = (await plugin.tap('data', 'resolveTask')(undefined as unknown as Dataset, plugin.phase)) as Task;
  return { task, logs: plugin.logs.map(({ message }) => message) };
}

function modelOf(g: GraphBuilder, dtype: 'float32' | 'float64'): { h: Value; w: Value; logits: Value } {
  const h = g.parameter('hidden', tensor(dtype, [BATCH, SEQUENCE, FEATURES], golden.hidden.flat(2)), {
    trainable: true,
  });
  const w = g.parameter('weight', tensor(dtype, [CLASSES, FEATURES], golden.weight.flat()), { trainable: true });
  return { h, w, logits: g.ops.matmul(h, w, { transposeB: true }) };
}

const farthest = ({ data }: TensorData, wanted: readonly number[]): number =>
  wanted.reduce((far, value, i) => Math.max(far, Math.abs(value - Number(data[i]))), 0);

describe('the loss', () => {
  it('is that of PyTorch with labels that do not count, and so are its gradients', async () => {
    const { task } = await taskOf();
    const g = new GraphBuilder();
    const { h, w, logits } = modelOf(g, 'float64');
    const features = { labels: g.constant(labels) };
    const step = stepContext(g, { task, batchSize: BATCH, features });
    const loss = task.traceLoss({ logits }, task.traceTargets(features, step), step);
    const found = gradients(g, loss, [h, w]);
    g.output('loss', loss);
    g.output('weight', task.traceWeight!(features, step, task.traceTargets(features, step)));
    g.output('dh', found.get(h)!);
    g.output('dw', found.get(w)!);
    const graph = g.build();
    const results = evaluate(graph, {});
    expect(Number(results['loss']!.data[0])).toBeCloseTo(golden.loss, 12);
    expect(farthest(results['dh']!, golden.gradients.hidden.flat(2))).toBeLessThan(1e-12);
    expect(farthest(results['dw']!, golden.gradients.weight.flat())).toBeLessThan(1e-12);
    expect(Number(results['weight']!.data[0])).toBe(golden.labels.flat().filter((label) => label >= 0).length);
    expect(graph.nodes.some(({ outputs }) => outputs[0]?.shape.join() === `${BATCH},${SEQUENCE},${CLASSES}`)).toBe(
      false,
    );
  });

  it('needs logits of tokens', async () => {
    const { task } = await taskOf();
    const g = new GraphBuilder();
    const features = { labels: g.constant(labels) };
    const step = stepContext(g, { task, batchSize: BATCH, features });
    const trace = (outputs: Record<string, Value>): unknown => task.traceLoss(outputs, features.labels, step);
    expect(() => trace({})).toThrow(
      'the model must have an output `logits` [batch, sequence, vocabulary], received none',
    );
    expect(() => trace({ logits: g.input('x', 'float32', [BATCH, 2]) })).toThrow('received `logits` of [3, 2]');
    expect(() => task.traceTargets({}, step)).toThrow('the batch has no `labels`');
  });
});

describe('the evaluation', () => {
  async function traced(): Promise<{ task: Task; outputs: Tensors }> {
    const { task } = await taskOf({ bootstrapSamples: 200 });
    const g = new GraphBuilder();
    const features = { labels: g.input('labels', 'int64', [BATCH, SEQUENCE]) };
    const { logits } = modelOf(g, 'float32');
    for (const [name, value] of Object.entries(task.traceEvaluation!({ logits }, { ops: g.ops, features })))
      g.output(name, g.ops.identity(value));
    return { task, outputs: evaluate(g.build(), { labels }) };
  }

  it('gets what PyTorch says of each token, and no logits', async () => {
    const { outputs } = await traced();
    expect(Object.keys(outputs)).toEqual(['losses', 'hits', 'labels']);
    expect(farthest(outputs['losses']!, golden.losses.flat())).toBeLessThan(1e-5);
    expect(farthest(outputs['hits']!, golden.hits.flat())).toBe(0);
  });

  it('measures loss, perplexity and accuracy over tokens', async () => {
    const { task, outputs } = await traced();
    const evaluator = task.evaluator();
    // In two batches.
    const part = (from: number, to: number): Tensors =>
      Object.fromEntries(
        Object.entries(outputs).map(([name, { dtype, data }]) => [
          name,
          tensor(dtype, [to - from, SEQUENCE], data.slice(from * SEQUENCE, to * SEQUENCE)),
        ]),
      );
    evaluator.update([{}, {}], part(0, 2));
    evaluator.update([{}], part(2, 3));
    const metrics = evaluator.result({ intervals: true });
    expect(metrics['loss']!.value).toBeCloseTo(golden.loss, 5);
    expect(metrics['perplexity']!.value / golden.perplexity).toBeCloseTo(1, 5);
    const counted = golden.labels.flat().filter((label) => label >= 0).length;
    expect(metrics['tokenAccuracy']!.value).toBeCloseTo(golden.hits.flat().reduce((a, b) => a + b) / counted, 6);
    for (const { value, ci95 } of Object.values(metrics)) {
      if (ci95 === undefined) throw new Error('no interval');
      expect(ci95[0]).toBeLessThanOrEqual(value);
      expect(ci95[1]).toBeGreaterThanOrEqual(value);
    }
    expect(evaluator.result({ intervals: true })).toEqual(metrics);
    expect(Object.values(evaluator.result({ intervals: false })).every(({ ci95 }) => ci95 === undefined)).toBe(true);
    expect(task.monitor).toEqual({ metric: 'loss', mode: 'min' });
  });

  const outputsOf = (losses: readonly number[], ids: readonly number[]): Tensors => ({
    losses: tensor('float32', [1, losses.length], losses),
    hits: tensor(
      'float32',
      [1, losses.length],
      losses.map(() => 0),
    ),
    labels: tensor('int64', [1, ids.length], ids),
  });

  it('counts bits per byte of text, and none where tokens are not made of bytes', async () => {
    const { task } = await taskOf();
    const evaluator = task.evaluator();
    // Four bits for `abc` and two for ` a`, which are five bytes, and one for the end, which is none.
    evaluator.update(
      [{}],
      outputsOf(
        [4, 2, 1, 9].map((bits) => bits * Math.LN2),
        [1, 2, 3, -100],
      ),
    );
    expect(evaluator.result({ intervals: false })['bitsPerByte']!.value).toBeCloseTo(7 / 5, 6);
    const { task: other } = await taskOf({}, { tokenizer: '{"decoder":{"type":"WordPiece"}}' });
    const without = other.evaluator();
    without.update([{}], outputsOf([1], [1]));
    expect(Object.keys(without.result({ intervals: true }))).toEqual(['loss', 'perplexity', 'tokenAccuracy']);
  });

  it('says what is wrong', async () => {
    const { task } = await taskOf();
    const codeOf = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        if (isAnnealError(error)) return `${error.code} ${error.message}`;
      }
      return 'no error';
    };
    expect(codeOf(() => task.evaluator().update([{}], outputsOf([Number.NaN], [1])))).toBe(
      'ANNEAL_E_MODEL the model gave a token the loss NaN',
    );
    expect(codeOf(() => task.evaluator().update([{}], {}))).toBe(
      'ANNEAL_E_MODEL there is no `losses` to evaluate, received none',
    );
    const evaluator = task.evaluator();
    evaluator.update([{}], outputsOf([1], [-100]));
    expect(codeOf(() => evaluator.result({ intervals: true }))).toBe(
      'ANNEAL_E_DATA there is nothing to measure: 1 samples have no label',
    );
  });
});

describe('the plugin', () => {
  it('warns when documents would run into each other', async () => {
    expect((await taskOf({}, { eos: -1 })).logs).toEqual([
      'The tokenizer has no `eos` token: documents are joined without anything between them',
    ]);
    expect((await taskOf({ packing: false }, { eos: -1 })).logs).toEqual([]);
    expect((await taskOf()).logs).toEqual([]);
  });

  it('encodes and packs with what the tokenizer says', async () => {
    const { task } = await taskOf({ blockSize: 4 });
    const samples = task.pack!(
      [0, 1].map((id) => task.encode({ row: {}, features: { input_ids: [id, id, id] } })),
      16,
    );
    expect(samples.map(({ features }) => Array.from(features['input_ids'] as Int32Array))).toEqual([
      [0, 0, 0, 3],
      [1, 1, 1, 3],
    ]);
    expect(task.targets).toEqual({ labels: { dtype: 'int64', shape: ['sequence'], pad: -100 } });
  });

  it.each([
    [{ blockSize: 1 }, 'option `blockSize` must be >=2, received 1'],
    [{ blocksize: 8 }, 'unknown option `blocksize`, did you mean `blockSize`?'],
    [{ packing: 'yes' }, 'option `packing` must be boolean, received "yes"'],
    [{ bootstrapSamples: 10 }, 'option `bootstrapSamples` must be >=100, received 10'],
  ])('refuses %j', async (given, message) => {
    await expect(setupPlugin(languageModeling(given as LanguageModelingOptions))).rejects.toThrow(message);
  });
});
