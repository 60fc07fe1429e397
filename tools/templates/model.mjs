// Writes packages/create/templates/compress-onnx/model: a small classifier of texts.jsonl, as an ONNX file, for the
// template that compresses one. Run from the root of the repository:
//   node --conditions=@anneal/source --import ./scripts/source.mjs tools/templates/model.mjs
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createPipeline } from '../../packages/core/src/index.ts';
import { openBackend } from '../../packages/backends/onnx/src/index.ts';
import { textClassification } from '../../packages/plugins/text-classification/src/index.ts';
import { textData } from '../../packages/plugins/text-data/src/index.ts';
import { tokenizer } from '../../packages/plugins/tokenizer/src/index.ts';
import { transformer } from '../../packages/plugins/transformer/src/index.ts';

const templates = fileURLToPath(new URL('../../packages/create/templates/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'anneal-model-'));
const sizes = { hiddenSize: 40, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 80 };
const pipeline = await createPipeline(
  {
    name: 'novel-or-speech',
    plugins: [
      textData({ sources: [{ files: 'data/texts.jsonl' }] }),
      tokenizer({ vocabSize: 640 }),
      transformer({ architecture: 'bert', ...sizes, maxPositionEmbeddings: 128, pooling: 'mean' }),
      textClassification({ baseline: false }),
    ],
    backend: openBackend,
    train: { epochs: 12, batchSize: 16, learningRate: 1e-2, lrScheduler: 'cosine', warmupRatio: 0.1 },
    outDir: join(folder, 'dist'),
    cacheDir: join(folder, 'cache'),
  },
  { root: templates },
);
const { report } = await pipeline.run();
await pipeline.close();
for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx']) {
  cpSync(join(folder, 'dist', name), join(templates, 'compress-onnx', 'model', name), { recursive: true });
}
rmSync(folder, { recursive: true });
console.log(report.metrics.before?.accuracy);
