import { isAnnealError } from '@anneal/core';
import { canonicalize, type Graph, GraphBuilder, interpret, tensor, type TensorData, type Value } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { importOnnx, type ImportOnnxOptions } from '../src/index.ts';
import { decode, feedsOf, goldenOf, LOSSES, read, step } from './fixtures.ts';

const LABELS = ['ham', 'spam'];

async function failure(graph: Graph, options: ImportOnnxOptions = {}): Promise<string> {
  try {
    await importOnnx(graph, options);
  } catch (error) {
    if (isAnnealError(error)) return [error.code, error.message, error.fix ?? ''].join('\n');
    throw error;
  }
  return 'no error';
}

function gap(actual: TensorData, wanted: TensorData): number {
  expect(actual.shape).toEqual(wanted.shape);
  const numbers = Array.from(wanted.data as Float32Array);
  return Math.max(...numbers.map((value, i) => Math.abs(value - Number(actual.data[i]))));
}

describe('inputs', () => {
  it('have `batch` and `sequence` as sizes, whatever the exporter called them', async () => {
    const shapes = async (file: string): Promise<unknown> => {
      const { graph } = await importOnnx(await read(file));
      return Object.fromEntries([...graph.inputs].map(([name, { shape }]) => [name, shape]));
    };
    const text = { input_ids: ['batch', 'sequence'], attention_mask: ['batch', 'sequence'] };
    expect(await shapes('gpt2.ts')).toEqual(text);
    expect(await shapes('gpt2.dynamo')).toEqual(text);
    expect(await shapes('bert.ts')).toEqual({ ...text, token_type_ids: ['batch', 'sequence'] });
    expect(await shapes('vit.dynamo')).toEqual({ pixel_values: ['batch', 3, 16, 16] });
  });

  it('are filled where samples have nothing', async () => {
    const { padding, defaults } = await importOnnx(await read('bert.ts'), { config: { pad_token_id: 7 } });
    expect(padding).toEqual({ input_ids: 7 });
    expect(defaults).toEqual({ token_type_ids: 0 });
  });

  it('of a cache and of positions are made, and results stay what they were', async () => {
    const { config, output, ...golden } = goldenOf('llama');
    const source = await read('llama-with-past.ts');
    expect([...source.inputs.keys()]).toHaveLength(7);
    const { graph } = await importOnnx(source, { config });
    expect([...graph.inputs.keys()]).toEqual(['input_ids', 'attention_mask']);
    expect([...graph.outputs.keys()]).toEqual(['logits']);
    const { logits } = await interpret(graph, feedsOf({ config, output, ...golden }), { precision: 'float64' });
    // Positions of padding differ, and nobody looks at padding: the second row has five tokens.
    const [all, wanted] = [logits!, decode(output)];
    const rows = [...Array(7).keys(), 7, 8, 9, 10, 11];
    const vocab = wanted.shape[2] as number;
    const differences = rows.flatMap((row) =>
      Array.from({ length: vocab }, (_, i) =>
        Math.abs(Number(all.data[row * vocab + i]) - Number(wanted.data[row * vocab + i])),
      ),
    );
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });

  it('that leave the size of an image open take it from the config', async () => {
    const build = (): Graph => {
      const g = new GraphBuilder();
      const x = g.input('pixel_values', 'float32', ['batch_size', 'num_channels', 'height', 'width']);
      const w = g.parameter('conv.weight', tensor('float32', [2, 3, 2, 2], new Float32Array(24).fill(1)));
      g.output('logits', g.ops.mean(g.one('Conv', [x, w]), { axes: [2, 3] }));
      return g.build();
    };
    const { graph } = await importOnnx(build(), { config: { image_size: 4, num_channels: 3 } });
    expect(graph.inputs.get('pixel_values')!.shape).toEqual(['batch', 3, 4, 4]);
    const given = await importOnnx(build(), { config: { image_size: 4, num_channels: 3 }, dims: { height: 6 } });
    expect(given.graph.inputs.get('pixel_values')!.shape).toEqual(['batch', 3, 6, 4]);
    expect(await failure(build(), { config: { num_channels: 3 } })).toBe(
      'ANNEAL_E_MODEL\nthe size `height` of the input "pixel_values" is open\nsay what it is: dims: { height: 224 }',
    );
    expect(await failure(build(), { dims: { heigth: 4 } })).toBe(
      'ANNEAL_E_MODEL\nno input of the model has a size `heigth`\n' +
        'open sizes are batch_size, num_channels, height, width',
    );
  });

  it('without a batch, or with a second sequence, are refused', async () => {
    const build = (name: string, shape: readonly (number | string)[]): Graph => {
      const g = new GraphBuilder();
      const x = g.input(name, 'float32', shape);
      g.output('logits', g.ops.mul(x, g.parameter('scale', tensor('float32', [1], [2]))));
      return g.build();
    };
    expect(await failure(build('x', [1, 8]))).toBe(
      'ANNEAL_E_MODEL\nthe input "x" is [1, 8], which is not [batch, …]: its batch is fixed\n' +
        'export the model with a dynamic batch axis, and without inputs that are no data',
    );
    expect(await failure(build('decoder_input_ids', ['b', 's']))).toMatch(
      'is a second sequence, which is not supported',
    );
  });
});

describe('weights', () => {
  it('are trained but for buffers, and stay in the file but for those the wrong way round', async () => {
    const { graph } = await importOnnx(await read('llama.dynamo'));
    const fixed = [...graph.parameters].filter(([, { trainable }]) => !trainable).map(([name]) => name);
    expect(fixed).toEqual(['model.rotary_emb.MatMul_0']);
    const source = await read('bert.ts');
    const { graph: bert } = await importOnnx(source);
    const touched = [...bert.parameters].filter(([name, { data }]) => data !== source.parameters.get(name)?.data);
    expect(touched.map(([name]) => name)).toEqual(['bert.pooler.dense.weight', 'classifier.weight']);
  });

  it('get finite gradients in a batch with an empty row', async () => {
    const golden = goldenOf('distilbert');
    const { graph } = await importOnnx(await read('distilbert.ts'));
    const program = step(graph, 'logits', LOSSES['distilbert']!, { batch: 2, sequence: 7 });
    const feeds = feedsOf(golden);
    (feeds['attention_mask']!.data as BigInt64Array).fill(0n, 7);
    for (const [name, { data }] of Object.entries(await interpret(program, feeds))) {
      expect(Array.from(data, Number).every(Number.isFinite), name).toBe(true);
    }
  });

  it('of integers are refused, with what to do', async () => {
    const build = (dtype: 'float16' | 'int8'): Graph => {
      const g = new GraphBuilder();
      const x = g.input('x', dtype === 'int8' ? 'uint8' : dtype, ['batch', 2]);
      const w = g.parameter('layer.weight', tensor(dtype, [2, 2], [1, 2, 3, 4]));
      const y = g.one(dtype === 'int8' ? 'MatMulInteger' : 'MatMul', [x, w], { scope: 'layer' });
      g.output('logits', g.ops.cast(y, 'float32'));
      return g.build();
    };
    expect(await failure(build('int8'))).toBe(
      'ANNEAL_E_MODEL\nthe model is quantized, which cannot be trained: MatMulInteger in layer\n' +
        'start from the float file (model.onnx), and quantize what was trained with @anneal/plugin-quantize',
    );
    expect(await failure(build('float16'))).toBe(
      'ANNEAL_E_MODEL\nthe model has no float32 weights to train, received float16\nstart from the float32 file (model.onnx)',
    );
  });
});

describe('a classifier', () => {
  const fileLabels = ['LABEL_0', 'LABEL_1', 'LABEL_2'];

  it('of the same classes keeps its head', async () => {
    const { config, output, ...golden } = goldenOf('bert');
    const { graph } = await importOnnx(await read('bert.ts'), { config, labels: fileLabels });
    const { logits } = await interpret(graph, feedsOf({ config, output, ...golden }));
    expect(gap(logits!, decode(output))).toBeLessThan(1e-5);
  });

  it.each(['bert.ts', 'bert.dynamo', 'distilbert.ts', 'vit.dynamo'])(
    'of other classes gets a new head, and keeps the rest: %s',
    async (file) => {
      const { config } = goldenOf(file.split('.')[0]!);
      const heads: string[] = [];
      const onNewHead = (path: string): void => void heads.push(path);
      const [before, after] = [
        await importOnnx(await read(file)),
        await importOnnx(await read(file), { config, labels: LABELS, seed: 3, onNewHead }),
      ];
      expect(heads).toEqual(['classifier']);
      expect(after.graph.outputs.get('logits')!.shape.at(-1)).toBe(2);
      expect(after.config).toMatchObject({
        id2label: { 0: 'ham', 1: 'spam' },
        label2id: { ham: 0, spam: 1 },
        problem_type: 'single_label_classification',
      });
      const { data } = after.graph.parameters.get('classifier.weight')!.data as TensorData;
      expect(Array.from(data, Number).some((value) => value !== 0)).toBe(true);
      const bias = after.graph.parameters.get('classifier.bias')!.data as TensorData;
      expect(Array.from(bias.data, Number)).toEqual([0, 0]);
      for (const [name, { data: kept }] of before.graph.parameters) {
        if (!name.startsWith('classifier')) expect(after.graph.parameters.get(name)!.data.shape).toEqual(kept.shape);
      }
      expect([...after.graph.parameters.keys()].toSorted()).toEqual([...before.graph.parameters.keys()].toSorted());
    },
  );

  it.each(['cls', 'mean'] as const)('of an encoder without a head gets one: %s', async (pooling) => {
    const { config, ...golden } = goldenOf('bert-features');
    const source = await read('bert-features.ts');
    const given = { ...config, architectures: ['BertModel'] };
    const model = await importOnnx(source, { config: given, labels: LABELS, head: 'classification', pooling });
    expect(model.config['architectures']).toEqual(['BertForSequenceClassification']);
    const feeds = feedsOf({ config, ...golden });
    const { logits } = await interpret(model.graph, feeds);
    const weight = model.graph.parameters.get('classifier.weight')!.data as TensorData;
    const hidden = decode(golden.output);
    const wanted = [7, 5].flatMap((tokens, row) => {
      const at = (token: number, i: number): number => Number(hidden.data[(row * 7 + token) * 16 + i]);
      const used = pooling === 'cls' ? 1 : tokens;
      const vector = Array.from(
        { length: 16 },
        (_, i) => [...Array(used).keys()].reduce((a, t) => a + at(t, i), 0) / used,
      );
      return [0, 1].map((k) => vector.reduce((a, v, i) => a + v * Number(weight.data[i * 2 + k]), 0));
    });
    expect(gap(logits!, tensor('float32', [2, 2], wanted))).toBeLessThan(1e-5);
    expect(model.graph.parameters.get('classifier.weight')).toMatchObject({ transposed: true, trainable: true });
  });

  it('says what is missing', async () => {
    expect(await failure(await read('bert-features.ts'), { labels: LABELS })).toBe(
      'ANNEAL_E_MODEL\nthe task classifies and the model has no output "logits", received last_hidden_state\n' +
        "let it have a new head: head: 'classification'",
    );
    expect(await failure(await read('clip-text.ts'), { labels: LABELS, head: 'classification' })).toMatch(
      'received text_embeds\nexport the model with a classification head',
    );
    expect(await failure(await read('gpt2.ts'), { labels: LABELS })).toMatch(
      'the task classifies whole rows and `logits` has 3 axes: values for every token',
    );
    expect(await failure(await read('bert.ts'), { outputs: ['logit'] })).toBe(
      'ANNEAL_E_MODEL\nthe model has no output "logit", received logits\nname outputs of the file',
    );
  });

  it('whose end is no linear layer is refused', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['b', 3]);
    const product = g.ops.matmul(x, g.parameter('head.weight', tensor('float32', [3, 3], new Float32Array(9))));
    g.output('logits', g.ops.softmax(product) satisfies Value);
    expect(await failure(g.build(), { labels: LABELS, config: { id2label: { 0: 'a', 1: 'b', 2: 'c' } } })).toBe(
      'ANNEAL_E_MODEL\nthe model has other classes (a, b, c) than the task (ham, spam), and no linear layer at its end ' +
        "that could be replaced\nexport it without its head, and let it have a new one: head: 'classification'",
    );
  });
});

it('the graph means the same with sizes open and bound', async () => {
  const golden = goldenOf('bert');
  const { graph } = await importOnnx(await read('bert.dynamo'));
  const bound = canonicalize(graph, { dims: { batch: 2, sequence: 7 } }).graph;
  expect(bound.nodes.some(({ op }) => op === 'Shape')).toBe(false);
  const [a, b] = [await interpret(graph, feedsOf(golden)), await interpret(bound, feedsOf(golden))];
  expect(gap(a['logits']!, b['logits']!)).toBeLessThan(1e-6);
});
