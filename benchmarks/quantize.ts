// `pnpm bench quantize [--threads <n>] [--json]`: latency and size of an encoder of 4 layers of 256, by scheme.
import { parseArgs } from 'node:util';
import { onnxBackend } from '@anneal/backend-onnx';
import { random } from '@anneal/core';
import { type Graph, tensor, type TensorData, type Tensors, writeOnnx } from '@anneal/graph';
import { quantizeGraph, type SchemeName } from '@anneal/plugin-quantize';
import { ARCHITECTURES, createModel, initialWeights } from '@anneal/plugin-transformer';

const { values } = parseArgs({ options: { threads: { type: 'string' }, json: { type: 'boolean', default: false } } });
const threads = values.threads === undefined ? undefined : Number(values.threads);

const SEQUENCE = 128;
const VOCABULARY = 8000;
const SCHEMES: readonly (SchemeName | 'fp32')[] = ['fp32', 'int8-dynamic', 'int4', 'fp16'];
const BATCHES = [1, 32];
/** Runs before and while time is taken, by batch size. */
const RUNS: Readonly<Record<number, readonly [warmUp: number, timed: number]>> = { 1: [20, 200], 32: [3, 20] };

interface Row {
  readonly scheme: string;
  readonly batch: number;
  readonly p50: number;
  readonly p95: number;
  readonly rowsPerSecond: number;
  readonly megabytes: number;
}

function encoder(): Graph {
  const shape = {
    vocabSize: VOCABULARY,
    hiddenSize: 256,
    numHiddenLayers: 4,
    numAttentionHeads: 4,
    intermediateSize: 1024,
    maxPositionEmbeddings: SEQUENCE,
    typeVocabSize: 2,
    hiddenAct: 'gelu',
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
    classifierDropout: 0,
    layerNormEps: 1e-12,
    initializerRange: 0.02,
    padTokenId: 0,
  };
  const architecture = ARCHITECTURES.bert;
  const weights = initialWeights(shape, 1, architecture.embeddings.word);
  return createModel({ architecture, shape, pooling: 'cls', labels: ['a', 'b'] }, weights).graph;
}

function feedsOf(batch: number): Tensors {
  const words = random(3, 'bench').words(batch * SEQUENCE);
  const full = (value: bigint): TensorData =>
    tensor('int64', [batch, SEQUENCE], new BigInt64Array(words.length).fill(value));
  return {
    input_ids: tensor(
      'int64',
      [batch, SEQUENCE],
      Array.from(words, (word) => BigInt(1 + (word % (VOCABULARY - 1)))),
    ),
    attention_mask: full(1n),
    token_type_ids: full(0n),
  };
}

const base = encoder();
const rows: Row[] = [];
const backend = await onnxBackend(threads === undefined ? {} : { threads });
for (const scheme of SCHEMES) {
  const options = { embeddings: true, exclude: [], reduceRange: false, minElements: 1024 };
  const graph = scheme === 'fp32' ? base : (await quantizeGraph(base, { ...options, scheme })).graph;
  const megabytes = (await writeOnnx(graph)).model.byteLength / 1e6;
  const program = await backend.compile(graph);
  for (const batch of BATCHES) {
    const feeds = feedsOf(batch);
    const [warmUp, timed] = RUNS[batch] as readonly [number, number];
    for (let i = 0; i < warmUp; i++) await program.run(feeds);
    const times: number[] = [];
    for (let i = 0; i < timed; i++) {
      const start = performance.now();
      await program.run(feeds);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const at = (q: number): number => times[Math.floor(q * (times.length - 1))] as number;
    rows.push({ scheme, batch, p50: at(0.5), p95: at(0.95), rowsPerSecond: (1000 * batch) / at(0.5), megabytes });
  }
  await program.dispose();
}
const { version, threads: used } = backend.info;
await backend.close();

if (values.json) console.log(JSON.stringify({ version, threads: used, rows }));
else {
  console.log(`${version}, ${used} threads, BERT of 4 layers of 256, ${SEQUENCE} tokens`);
  console.log('scheme         batch   p50 ms   p95 ms   rows/s       MB   against fp32');
  for (const row of rows) {
    const plain = rows.find(({ scheme, batch }) => scheme === 'fp32' && batch === row.batch) as Row;
    const cells = [
      row.scheme.padEnd(12),
      String(row.batch).padStart(7),
      row.p50.toFixed(2).padStart(8),
      row.p95.toFixed(2).padStart(8),
      row.rowsPerSecond.toFixed(0).padStart(8),
      row.megabytes.toFixed(2).padStart(8),
      `${(plain.p50 / row.p50).toFixed(2)} × speed, ${((100 * row.megabytes) / plain.megabytes).toFixed(0)} % size`.padStart(
        24,
      ),
    ];
    console.log(cells.join(' '));
  }
}
