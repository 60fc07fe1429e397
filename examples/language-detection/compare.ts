// The model as VS Code ships and runs it beside what `anneal build` made of it, on files of the test split. Run it after the
// build with `npx anneal eval --predictions predictions.jsonl && npx tsx compare.ts`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { textEncoder, type TextSteps } from '@anneal/plugin-tfjs-model';
import * as tf from '@tensorflow/tfjs';
import languageDetection from '@vscode/vscode-languagedetection';
import * as ort from 'onnxruntime-node';

const [dist = 'dist', predictions = 'predictions.jsonl', count = '32'] = process.argv.slice(2);

interface Row {
  readonly text: string;
  readonly label: string;
}
const all = readFileSync(predictions, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);
const step = Math.max(1, Math.floor(all.length / Number(count)));
const rows = all.filter((_, i) => i % step === 0).slice(0, Number(count));
const config = JSON.parse(readFileSync(join(dist, 'config.json'), 'utf8')) as {
  readonly text: TextSteps;
  readonly id2label: Readonly<Record<string, string>>;
};
const labels = Object.values(config.id2label);
const encode = textEncoder(config.text);

/** The model of a folder, from its files. */
async function loadTf(folder: string): Promise<tf.GraphModel> {
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as tf.io.ModelJSON & { signature: object };
  const parts = json.weightsManifest.flatMap(({ paths }) => paths.map((path) => readFileSync(join(folder, path))));
  const weightSpecs = json.weightsManifest.flatMap(({ weights }) => weights);
  const { buffer } = Uint8Array.from(Buffer.concat(parts));
  const { modelTopology, signature } = json;
  return tf.loadGraphModel({
    load: () => Promise.resolve({ modelTopology, weightSpecs, weightData: buffer, signature }),
  });
}

const best = (scores: ArrayLike<number>): number => Array.from(scores).indexOf(Math.max(...Array.from(scores)));

async function measure(name: string, classify: (text: string) => Promise<string>): Promise<void> {
  const times: number[] = [];
  let right = 0;
  await classify(rows[0]!.text);
  for (const { text, label } of rows) {
    const started = performance.now();
    right += Number((await classify(text)) === label);
    times.push(performance.now() - started);
  }
  const median = times.toSorted((a, b) => a - b)[times.length >> 1]!;
  console.log(
    `${name.padEnd(44)} ${((100 * right) / rows.length).toFixed(1).padStart(5)} %  ${median.toFixed(2).padStart(8)} ms`,
  );
}

async function onOrt(file: string): Promise<(text: string) => Promise<string>> {
  const session = await ort.InferenceSession.create(join(dist, 'onnx', file), { intraOpNumThreads: 1 });
  return async (text) => {
    const ids = encode(text);
    const { logits } = await session.run({ input_ids: new ort.Tensor('int32', ids, [1, ids.length]) });
    return labels[best(logits!.data as Float32Array)]!;
  };
}

tf.env().set('IS_TEST', true); // No advertisement.
const written = await loadTf(join(dist, 'tfjs'));
const shipped = new languageDetection.ModelOperations({ minContentSize: 0 });

console.log(`${rows.length} files, one at a time${' '.repeat(22)}accuracy     median`);
await measure('as shipped (54 languages), TensorFlow.js 3', async (text) => {
  const [first] = await shipped.runModel(text);
  return first?.languageId ?? '';
});
await measure('written by the build, uint8, TensorFlow.js 4', (text) => {
  const ids = encode(text);
  const scores = tf.tidy(() => (written.execute(tf.tensor2d(ids, [1, ids.length], 'int32')) as tf.Tensor).dataSync());
  return Promise.resolve(labels[best(scores)]!);
});
await measure('model.onnx, ONNX Runtime, 1 thread', await onOrt('model.onnx'));
await measure('model_q4.onnx, ONNX Runtime, 1 thread', await onOrt('model_q4.onnx'));
