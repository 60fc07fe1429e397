import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs';
import {
  type Backend,
  GraphBuilder,
  type Ops,
  sizeOf,
  tensor,
  type TensorData,
  type Value,
  withParameters,
} from '@anneal/graph';

import { FEED, traceStep } from '../packages/core/src/train/step-graph.ts';
import { encoderModel, encoderTask } from './lib/encoder.ts';
import { layersFit, mlp, mlpStep } from './lib/layers-fit.ts';
import { adamwSource, initialState } from './lib/source.ts';

/**
 * Every backend and device that starts here: single operators, the training step of a small encoder, and the step of a
 * network of dense layers beside `LayersModel.fit` of plain TensorFlow.js.
 *
 * `pnpm bench backends [--only onnx-cpu,tfjs-wasm] [--runs 10] [--json]`
 */
const text = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const runs = Number(text('runs') ?? 10);
const only = text('only')?.split(',');

type Opener = () => Promise<Backend>;

const BACKENDS: Readonly<Record<string, Opener>> = {
  'onnx-cpu': () => onnxBackend({ device: 'cpu' }),
  'onnx-webgpu': () => onnxBackend({ device: 'webgpu' }),
  'tfjs-node-gpu': () => tfjsBackend({ device: 'node-gpu' }),
  'tfjs-node': () => tfjsBackend({ device: 'node' }),
  'tfjs-webgpu': () => tfjsBackend({ device: 'webgpu' }),
  'tfjs-wasm': () => tfjsBackend({ device: 'wasm' }),
  'tfjs-cpu': () => tfjsBackend({ device: 'cpu' }),
};

type Operator = readonly [inputs: readonly (readonly number[])[], make: (ops: Ops, inputs: readonly Value[]) => Value];

/** Shapes of the encoder below. The sum makes what comes back small. */
const OPERATORS: Readonly<Record<string, Operator>> = {
  'matmul 1024×512×128': [
    [
      [1024, 512],
      [512, 128],
    ],
    (ops, [a, b]) => ops.matmul(a!, b!),
  ],
  'matmul, right transposed': [
    [
      [1024, 512],
      [128, 512],
    ],
    (ops, [a, b]) => ops.matmul(a!, b!, { transposeB: true }),
  ],
  'matmul, left transposed': [
    [
      [1024, 512],
      [1024, 128],
    ],
    (ops, [a, b]) => ops.matmul(a!, b!, { transposeA: true }),
  ],
  'matmul 64 × 64×32×64': [
    [
      [64, 64, 32],
      [64, 32, 64],
    ],
    (ops, [a, b]) => ops.matmul(a!, b!),
  ],
  'add 1024×512': [[[1024, 512], [512]], (ops, [a, b]) => ops.add(a!, b!)],
  'gelu 1024×512': [[[1024, 512]], (ops, [x]) => ops.gelu(x!)],
  'softmax 4096×64': [[[4096, 64]], (ops, [x]) => ops.softmax(x!)],
  'layerNorm 1024×128': [[[1024, 128], [128], [128]], (ops, [x, s, b]) => ops.layerNorm(x!, s!, b!)],
  'sum of rows 1024×512': [[[1024, 512]], (ops, [x]) => ops.sum(x!, { axes: [0], keepdims: true })],
  'transpose 16×64×4×32': [[[16, 64, 4, 32]], (ops, [x]) => ops.transpose(x!, [0, 2, 1, 3])],
  'gather 1024 of 2000×128': [[[2000, 128]], (ops, [x]) => ops.take(x!, ids(ops, [1024]))],
  'scatter-add 1024 to 2000×128': [
    [
      [2000, 128],
      [1024, 128],
    ],
    (ops, [x, y]) =>
      ops.scatterAdd(x!, ops.broadcastTo(ops.expandDims(ids(ops, [1024]), [1]), [1024, 128]), y!, { axis: 0 }),
  ],
  'conv 8×16×32×32, 3×3 to 32': [
    [
      [8, 16, 32, 32],
      [32, 16, 3, 3],
    ],
    (ops, [x, w]) => ops.graph.one('Conv', [x, w], { attributes: { pads: { ints: [1, 1, 1, 1] } } }),
  ],
};

const ids = ({ graph }: Ops, shape: readonly number[]): Value =>
  graph.constant(
    tensor(
      'int64',
      shape,
      Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919) % 2000),
    ),
  );

const filled = (shape: readonly number[]): TensorData =>
  tensor(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 31) % 17) / 17 - 0.5),
  );

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Milliseconds of the median run, after two that do not count. */
async function timed(run: (i: number) => Promise<unknown>, count: number = runs): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count + 2; i++) {
    const begin = performance.now();
    await run(i);
    if (i >= 2) times.push(performance.now() - begin);
  }
  return median(times);
}

async function operator(backend: Backend, [shapes, make]: Operator): Promise<number> {
  const g = new GraphBuilder();
  const inputs = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  g.output('y', g.ops.max(make(g.ops, inputs)));
  const state = await backend.createState(Object.fromEntries(shapes.map((shape, i) => [`x${i}`, filled(shape)])));
  const program = await backend.compile(g.build({ name: 'operator' }), { state, purpose: 'training' });
  const ms = await timed(() => program.run({}));
  await program.dispose();
  await state.dispose();
  return ms;
}

/** A BERT classifier of 2 layers of 128, batch 16 × 64 tokens, AdamW, all weights. */
async function encoder(backend: Backend): Promise<number> {
  const [batch, seq, vocab] = [16, 64, 2000];
  const base = encoderModel({ hidden: 128, layers: 2, heads: 4, vocab, seq });
  const model = { ...base, graph: withParameters(base.graph, () => ({ trainable: true })) };
  const source = adamwSource(model, encoderTask(2));
  const { graph, updates } = traceStep(source, batch, seq);
  const { tensors, empty } = initialState(source, false);
  const state = await backend.createState(tensors, empty);
  const program = await backend.compile(graph, { purpose: 'training', state, updates, guard: 'grad_norm' });
  const int64 = (shape: readonly number[], at: (i: number) => number): TensorData =>
    tensor(
      'int64',
      shape,
      Array.from({ length: sizeOf(shape) }, (_, i) => at(i)),
    );
  const feeds = {
    input_ids: int64([batch, seq], (i) => (i * 7919) % vocab),
    attention_mask: int64([batch, seq], () => 1),
    token_type_ids: int64([batch, seq], () => 0),
    labels: int64([batch], (i) => i % 2),
    [FEED.sampleWeights]: tensor('float32', [batch], new Float32Array(batch).fill(1)),
    [FEED.learningRate]: tensor('float32', [], [1e-4]),
  };
  return timed((i) => program.run({ ...feeds, [FEED.step]: tensor('float32', [], [i + 1]) }));
}

const names = only ?? Object.keys(BACKENDS);
const results: Record<string, Record<string, number>> = {};
const missing: Record<string, string> = {};
for (const name of names) {
  let backend: Backend;
  try {
    backend = await (BACKENDS[name] as Opener)();
  } catch (error) {
    missing[name] = error instanceof Error ? error.message : String(error);
    continue;
  }
  const row: Record<string, number> = {};
  results[name] = row;
  for (const [label, one] of Object.entries(OPERATORS)) row[label] = await operator(backend, one);
  row['step of an encoder'] = await encoder(backend);
  const step = await mlpStep(backend);
  row['step of dense layers'] = await timed(step);
  await backend.close();
}

// In turn, so that a drift of the machine falls on both alike.
const wasm = names.includes('tfjs-wasm') ? await tfjsBackend({ device: 'wasm' }) : undefined;
const compared = wasm && { anneal: [] as number[], layers: [] as number[] };
if (wasm && compared) {
  const step = await mlpStep(wasm);
  const fit = await layersFit('wasm');
  for (let round = 0; round < 5; round++) {
    compared.anneal.push(await timed(step));
    compared.layers.push(await timed(fit));
  }
  await wasm.close();
}

const ratio = compared && median(compared.anneal.map((ms, i) => ms / (compared.layers[i] as number)));
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ results, missing, mlp, compared, ratio }, undefined, 2));
} else {
  const found = Object.keys(results);
  console.log(`${'ms, median'.padEnd(30)}${found.map((name) => name.padStart(14)).join('')}`);
  for (const label of Object.keys(results[found[0] ?? ''] ?? {})) {
    console.log(
      label.padEnd(30) + found.map((name) => (results[name]?.[label] ?? Number.NaN).toFixed(2).padStart(14)).join(''),
    );
  }
  for (const [name, problem] of Object.entries(missing)) console.log(`${name}: ${problem}`);
  if (compared && ratio !== undefined) {
    console.log(
      `\n${mlp.layers.length} dense layers of ${mlp.layers.join(', ')}, batch ${mlp.batch}, Adam, wasm: ` +
        `${median(compared.anneal).toFixed(1)} ms a step, LayersModel.fit ${median(compared.layers).toFixed(1)} ms, ${ratio.toFixed(2)} ×`,
    );
  }
}
