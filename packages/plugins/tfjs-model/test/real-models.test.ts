import { onnxBackend } from '@anneal/backend-onnx';
import { type Backend, type Graph, memorySource, tensor, type TensorData, type Tensors } from '@anneal/graph';
import { assertClose, seededRandom } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { asClassifier } from '../src/classifier.ts';
import { importTfjs, textEncoder, type TfjsModel, writeTfjs } from '../src/index.ts';
import { fingerprint64 } from '../src/text/fingerprint.ts';
import { loadInTf } from './graph-files.ts';
import { ESRGAN, GUESSLANG, shipped } from './real.ts';
import { expectSlope, type Files, tf, toTf } from './tfjs.ts';

function imported(files: Files): Promise<TfjsModel> {
  return importTfjs(memorySource(files.get('model.json')!, 'model.json'), (path) =>
    Promise.resolve(memorySource(files.get(path)!, path)),
  );
}

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 1 });
});
afterAll(() => backend.close());

async function run(graph: Graph, feeds: Tensors): Promise<TensorData> {
  const program = await backend.compile(graph);
  const [output] = Object.values(await program.run(feeds));
  await program.dispose();
  return output!;
}

/**
 * Ids as TensorFlow.js makes them of bytes beyond ASCII: cutting texts out of a tensor decodes each byte alone, which
 * gives the replacement character. The model was trained on the bytes, and those are what `textEncoder` hashes.
 */
function replacedIds(text: string): Int32Array {
  const pieces = [...new TextEncoder().encode(text)].map((byte) => (byte < 128 ? String.fromCharCode(byte) : '\uFFFD'));
  const encoder = new TextEncoder();
  return Int32Array.from(pieces.slice(1), (piece, i) =>
    Number(fingerprint64(encoder.encode(`${pieces[i]} ${piece}`)) % 5000n),
  );
}

const TEXTS = [
  'def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\nprint([fib(i) for i in range(10)])\n',
  '#include <stdio.h>\n\nint main(void) {\n  printf("grüße, %d\\n", 42);\n  return 0;\n}\n',
  '{ "name": "anneal", "private": true, "scripts": { "test": "vitest" } }\n',
];

describe('guesslang', () => {
  it('gives the probabilities of TensorFlow.js for texts', async () => {
    const files = shipped(...GUESSLANG);
    const { graph, steps, texts, labels } = await imported(files);
    expect(texts).toEqual([{ name: 'input_ids', buckets: 5000 }]);
    expect(steps).toEqual({ ngrams: 2, separator: ' ', buckets: 5000, length: 10_000 });
    expect(labels).toHaveLength(54);
    expect(labels!.slice(0, 5)).toEqual(['asm', 'bat', 'c', 'cs', 'cpp']);

    const encode = textEncoder(steps!);
    const rows = TEXTS.map((text) => (/^\p{ASCII}*$/u.test(text) ? encode(text) : replacedIds(text)));
    const length = Math.max(...rows.map((row) => row.length)) + 3;
    const ids = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? -1));
    const actual = await run(graph, { input_ids: tensor('int32', [rows.length, length], ids) });

    // Version 4.22 disposes of tensors that the loop of this model still needs; VS Code runs it with 3.21.
    tf.env().set('KEEP_INTERMEDIATE_TENSORS', true);
    const model = await loadInTf(files);
    const probabilities: number[] = [];
    for (const text of TEXTS) {
      const one = tf.tensor1d([text], 'string');
      const result = (await model.executeAsync(one, 'head/predictions/probabilities')) as tf.Tensor;
      probabilities.push(...result.dataSync());
    }
    tf.env().set('KEEP_INTERMEDIATE_TENSORS', false);
    assertClose(actual, tensor('float32', [TEXTS.length, 54], probabilities), { absolute: 1e-5, relative: 1e-4 });
    const best = TEXTS.slice(0, 2).map((_, row) => {
      const own = (actual.data as Float32Array).subarray(row * 54, (row + 1) * 54);
      return labels![own.indexOf(Math.max(...own))];
    });
    expect(best).toEqual(['py', 'c']);
  });

  it('is written as a graph model that gives the same', async () => {
    const { graph } = await imported(shipped(...GUESSLANG));
    const random = seededRandom(1);
    const ids = Array.from({ length: 2 * 50 }, (_, i) => (i >= 90 ? -1 : Math.floor(random() * 5000)));
    const feeds = { input_ids: tensor('int32', [2, 50], ids) };
    const wanted = await run(graph, feeds);
    const model = await loadInTf(await writeTfjs(graph));
    const [actual] = [model.execute({ input_ids: toTf(feeds.input_ids) })].flat();
    const result = tensor('float32', actual!.shape, actual!.dataSync() as Float32Array);
    assertClose(result, wanted, { absolute: 1e-5, relative: 1e-4 });
  });

  it('trains: its gradients are those of finite differences', async () => {
    const { graph } = await imported(shipped(...GUESSLANG));
    const logits = asClassifier(graph, ['py', 'c'], (await imported(shipped(...GUESSLANG))).labels);
    await expectSlope(logits, { input_ids: tensor('int32', [2, 2], [7, 4000, 12, -1]) });
  });
});

describe('the default model of UpscalerJS', () => {
  it('gives the image of TensorFlow.js, and is written as a graph model that gives it too', async () => {
    const files = shipped(...ESRGAN);
    const { graph, format } = await imported(files);
    expect(format).toBe('layers-model');
    const random = seededRandom(2);
    const pixels = Float32Array.from({ length: 6 * 5 * 3 }, random);
    const image: TensorData = tensor('float32', [1, 6, 5, 3], pixels);
    const json = JSON.parse(new TextDecoder().decode(files.get('model.json'))) as {
      modelTopology: object;
      weightsManifest: { weights: tf.io.WeightsManifestEntry[] }[];
    };
    const model = await tf.loadLayersModel({
      load: () =>
        Promise.resolve({
          modelTopology: json.modelTopology,
          weightSpecs: json.weightsManifest[0]!.weights,
          weightData: files.get('group1-shard1of1.bin')!.slice().buffer,
        }),
    });
    const original = model.predict(toTf(image)) as tf.Tensor;
    const wanted = tensor('float32', original.shape, original.dataSync() as Float32Array);
    expect(wanted.shape).toEqual([1, 12, 10, 3]);
    const actual = await run(graph, { LR: image });
    assertClose(actual, wanted, { absolute: 1e-4, relative: 1e-4 });

    const written = await loadInTf(await writeTfjs(graph));
    const [again] = [written.execute({ LR: toTf(image) })].flat();
    assertClose(tensor('float32', again!.shape, again!.dataSync() as Float32Array), wanted, {
      absolute: 1e-4,
      relative: 1e-4,
    });
    // Convolutions follow each other with their channels where they are.
    expect(graph.nodes.filter(({ op }) => op === 'Transpose')).toHaveLength(2);
  });
});
