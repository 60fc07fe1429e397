import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AutoModelForCausalLM, AutoTokenizer, env, Tensor } from '@huggingface/transformers';
import {
  createPipeline,
  loadConfig,
  type Metric,
  type Pipeline,
  type Report,
  type Row,
  type TrainReport,
} from '@anneal/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The real job on few mails: what is tested is the way, not the quality. */
const SMALLER = {
  'stages.pretrain.data.limit': 400,
  'stages.adapt.data.limit': 250,
  'evaluate.latencyRuns': 2,
};

let folder = '';
let pipeline: Pipeline;
let report: Report;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-language-model-'));
  const places = { outDir: join(folder, 'dist'), cacheDir: join(folder, 'cache') };
  const set = Object.entries({ ...SMALLER, ...places }).map(([key, value]) => `${key}=${value}`);
  pipeline = await createPipeline(await loadConfig({ cwd: join(import.meta.dirname, '..'), set }));
  ({ report } = await pipeline.run());
});
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true, force: true });
});

/** Perplexity of the first and the last steps of a training. */
function ends({ curve }: TrainReport): { first: number; last: number } {
  const count = Math.ceil(curve.length / 10);
  const perplexity = (points: TrainReport['curve']): number =>
    Math.exp(points.reduce((sum, { loss }) => sum + loss, 0) / points.length);
  return { first: perplexity(curve.slice(0, count)), last: perplexity(curve.slice(-count)) };
}

describe('training', () => {
  it('lowers the perplexity from scratch, and that of another kind of text by adapters', () => {
    const [pretrain, adapt] = report.train as [TrainReport, TrainReport];
    const [scratch, adapted] = [ends(pretrain), ends(adapt)];
    // Nothing is known at first: every one of 2,048 tokens is about as likely.
    expect(scratch.first).toBeGreaterThan(600);
    expect(scratch.last).toBeLessThan(scratch.first / 3);
    expect(pretrain.validation[0]!.metrics['perplexity']).toBeLessThan(scratch.first / 3);
    expect(adapted.last).toBeLessThan(0.9 * adapted.first);
    expect(adapt.trainableParameters).toBeLessThan(0.1 * adapt.totalParameters);
    expect(report.metrics.before).toMatchObject({
      perplexity: { ci95: [expect.any(Number), expect.any(Number)] },
      bitsPerByte: { ci95: [expect.any(Number), expect.any(Number)] },
    });
  });
});

describe('the built folder', () => {
  it('has the perplexity that the report says', async () => {
    const { metrics } = await pipeline.evaluate();
    for (const name of ['loss', 'perplexity', 'tokenAccuracy', 'bitsPerByte'])
      expect(metrics![name]!.value / (report.metrics.before![name] as Metric).value).toBeCloseTo(1, 4);
  });

  it('has the adapter as PEFT wants it', async () => {
    const read = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, 'dist', name), 'utf8'));
    expect(await read('adapter/adapter_config.json')).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      r: 8,
      lora_alpha: 16,
    });
    const bytes = await readFile(join(folder, 'dist/adapter/adapter_model.safetensors'));
    const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString();
    expect(JSON.parse(header)).toMatchObject({
      'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': { dtype: 'F32', shape: [8, 128] },
      'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight': { dtype: 'F32', shape: [128, 8] },
    });
    expect(await read('config.json')).toMatchObject({ model_type: 'llama', architectures: ['LlamaForCausalLM'] });
  });

  it('gives transformers.js the same losses', async () => {
    env.allowRemoteModels = false;
    env.localModelPath = folder;
    const tokenizer = await AutoTokenizer.from_pretrained('dist', { local_files_only: true });
    const model = await AutoModelForCausalLM.from_pretrained('dist', { dtype: 'fp32', local_files_only: true });
    const rows: readonly Row[] = [
      { text: 'Dear friend, I have read your message with great interest.' },
      { text: 'On Monday the meeting starts at 10 and ends at noon.' },
    ];
    const { predictions } = await pipeline.evaluate({ rows });
    expect(predictions).toHaveLength(2);
    for (const { row, outputs } of predictions) {
      const eos = tokenizer('<|endoftext|>').input_ids.tolist()[0][0] as bigint;
      const ids = [...(tokenizer(row['text'] as string).input_ids.tolist()[0] as bigint[]), eos];
      const feed = (values: bigint[]): Tensor => new Tensor('int64', BigInt64Array.from(values), [1, ids.length]);
      const { logits } = (await model({ input_ids: feed(ids), attention_mask: feed(ids.map(() => 1n)) })) as {
        logits: Tensor;
      };
      const scores = (logits.tolist() as number[][][])[0]!;
      const labels = outputs['labels']!.filter((label) => label >= 0);
      expect(labels).toEqual(ids.slice(1).map(Number));
      labels.forEach((label, i) => {
        const logSum = Math.log(scores[i]!.reduce((sum, score) => sum + Math.exp(score), 0));
        expect(Math.abs(outputs['losses']![i]! - (logSum - scores[i]![label]!))).toBeLessThan(1e-3);
      });
    }
    await model.dispose();
  });
});
