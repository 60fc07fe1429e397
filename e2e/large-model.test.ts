import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnxBackend } from '@anneal/backend-onnx';
import {
  type Backend,
  bytesOf,
  describeGraph,
  type Graph,
  GraphBuilder,
  gradients,
  inline,
  isLazy,
  type LazyTensor,
  type Parameter,
  type StoredTensor,
  tensor,
  type TensorData,
  type Value,
  writeOnnx,
} from '@anneal/graph';
import { fileSource, loadOnnx, saveOnnx } from '@anneal/graph/node';
import { assertClose } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const [WIDTH, HIDDEN, CLASSES, RANK] = [1024, 64, 8, 2];
/** 2 GiB, and 1 GiB less what lies behind it. */
const ROWS = { first: 2 ** 19, second: 2 ** 18 - 2 ** 8 };
const DATA = 'model.onnx_data';

/** Where tensors lie: two tables whose pages nobody wrote, and small matrices behind them, up to the last byte. */
const LAYOUT = {
  'tables.first.weight': { shape: [ROWS.first, WIDTH], offset: 0 },
  'tables.second.weight': { shape: [ROWS.second, WIDTH], offset: 2 * GIB },
  'proj.weight': { shape: [WIDTH, HIDDEN], offset: 3 * GIB - 4 * (WIDTH * HIDDEN + HIDDEN * CLASSES) },
  'head.weight': { shape: [HIDDEN, CLASSES], offset: 3 * GIB - 4 * HIDDEN * CLASSES },
} as const;

function numbers(shape: readonly number[], seed: number): TensorData {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    'float32',
    shape,
    Float32Array.from({ length: size }, (_, i) => (((i * 31 + seed * 7) % 17) - 8) / 32),
  );
}
const proj = numbers(LAYOUT['proj.weight'].shape, 1);
const head = numbers(LAYOUT['head.weight'].shape, 2);
const lora = numbers([WIDTH, RANK], 5);
const rows = { first: numbers([WIDTH], 3), second: numbers([WIDTH], 4) };

let folder: string;
/** Makes a file of that size with nothing in it; says whether it takes (almost) no room. */
function sparseFile(path: string, size: number): boolean {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  closeSync(file);
  return statSync(path).blocks * 512 < size / 8;
}

function hasSparseFiles(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'anneal-sparse-'));
  try {
    return process.platform !== 'win32' && sparseFile(join(probe, 'file'), 64 * MIB);
  } finally {
    rmSync(probe, { recursive: true });
  }
}

/** `head(tanh(proj(first[id] + second[id2])))` */
async function writeModel(path: string): Promise<void> {
  const source = await fileSource(join(folder, DATA));
  const g = new GraphBuilder();
  const lazy = (name: keyof typeof LAYOUT): LazyTensor => ({ dtype: 'float32', source, ...LAYOUT[name] });
  const { ops } = g;
  const table = (name: 'first' | 'second') =>
    ops.take(g.parameter(`tables.${name}.weight`, lazy(`tables.${name}.weight`)), g.input(name, 'int64', ['batch']));
  const x = ops.add(table('first'), table('second'));
  const hidden = g.scope('proj', () => ops.tanh(ops.matmul(x, g.parameter('proj.weight', lazy('proj.weight')))));
  g.output(
    'logits',
    g.scope('head', () => ops.matmul(hidden, g.parameter('head.weight', lazy('head.weight')))),
  );
  await saveOnnx(g.build({ name: 'large' }), path, { external: true, stored: inFile });
}

/** Parameters that lie in the data file stay there. */
function inFile(_name: string, { data }: Parameter): StoredTensor | undefined {
  return isLazy(data) ? { location: DATA, offset: data.offset } : undefined;
}

const rss = (): number => process.memoryUsage().rss / MIB;
const ids = {
  first: tensor('int64', [2], [BigInt(ROWS.first - 1), 5n]),
  second: tensor('int64', [2], [BigInt(ROWS.second - 1), 6n]),
};

/** The logits of the one row that is written in each table, and of rows that are not; `update` is added to `proj`. */
function expected(update: (i: number, j: number) => number = () => 0): TensorData {
  const logits = new Float32Array(2 * CLASSES);
  for (let j = 0; j < HIDDEN; j++) {
    let sum = 0;
    for (let i = 0; i < WIDTH; i++) {
      const x = Number(rows.first.data[i]) + Number(rows.second.data[i]);
      sum += x * (Number(proj.data[i * HIDDEN + j]) + update(i, j));
    }
    for (let k = 0; k < CLASSES; k++) logits[k]! += Math.tanh(sum) * Number(head.data[j * CLASSES + k]);
  }
  return tensor('float32', [2, CLASSES], logits);
}

/** The logits of the model with low-rank factors beside `proj`. */
function adapt(g: GraphBuilder, base: Graph, factor: Value): Value {
  const { ops } = g;
  const { logits } = inline(g, base, {
    dims: { batch: 2 },
    node: (node, [x, w]) => {
      if (node.scope !== 'proj' || node.op !== 'MatMul' || !x || !w) return undefined;
      const reduced = ops.matmul(x, g.parameter('proj.lora_A', lora));
      return [ops.add(ops.matmul(x, w), ops.matmul(reduced, factor))];
    },
  });
  return logits!;
}

// A file of 3 GiB of which a few pages exist; where the file system would fill it, it is not worth the disk.
describe.skipIf(!hasSparseFiles())('a model of 3 GiB (skipped without sparse files)', () => {
  let backend: Backend;
  let path: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'anneal-large-'));
    path = join(folder, 'model.onnx');
    sparseFile(join(folder, DATA), 3 * GIB);
    const file = openSync(join(folder, DATA), 'r+');
    const write = (data: TensorData, offset: number) => writeSync(file, bytesOf(data), 0, bytesOf(data).length, offset);
    write(rows.first, 4 * (ROWS.first - 1) * WIDTH);
    write(rows.second, 2 * GIB + 4 * (ROWS.second - 1) * WIDTH);
    write(proj, LAYOUT['proj.weight'].offset);
    write(head, LAYOUT['head.weight'].offset);
    closeSync(file);
    await writeModel(path);
    backend = await onnxBackend({ threads: 1, tempFolder: folder });
  });
  afterAll(async () => {
    await backend.close();
    rmSync(folder, { recursive: true });
  });

  it('is read without its weights', async () => {
    const before = rss();
    const graph = await loadOnnx(path);
    const { parameterBytes, tensors } = describeGraph(graph);
    expect(parameterBytes).toBeGreaterThan(3 * GIB - 2 * MIB);
    expect(tensors[0]).toMatchObject({ name: 'tables.first.weight', bytes: 2 * GIB });
    expect(
      Object.fromEntries([...graph.parameters].map(([name, { data }]) => [name, isLazy(data) && data.offset])),
    ).toEqual(Object.fromEntries(Object.entries(LAYOUT).map(([name, { offset }]) => [name, offset])));
    expect(rss() - before).toBeLessThan(64);
  });

  it('runs, learns a low-rank update, and is saved beside its data', async () => {
    const before = rss();
    const base = await loadOnnx(path);
    const program = await backend.compile(base);
    assertClose((await program.run(ids))['logits']!, expected(), { absolute: 1e-4, relative: 1e-4 });
    await program.dispose();

    const step = new GraphBuilder();
    const factor = step.input('proj.lora_B', 'float32', [RANK, HIDDEN]);
    const loss = step.ops.sum(adapt(step, base, factor));
    const gradient = gradients(step, loss, [factor]).get(factor)!;
    step.output('next', step.ops.sub(factor, step.ops.mul(gradient, 0.01)));
    step.output('loss', loss);
    const zero = tensor('float32', [RANK, HIDDEN], new Float32Array(RANK * HIDDEN));
    const state = await backend.createState({ 'proj.lora_B': zero });
    const training = await backend.compile(step.build(), {
      purpose: 'training',
      state,
      updates: { next: 'proj.lora_B' },
    });
    const [first, second] = [await training.run(ids), await training.run(ids)];
    expect(Number(second['loss']!.data[0])).toBeLessThan(Number(first['loss']!.data[0]));
    await training.dispose();
    const learned = (await state.read())['proj.lora_B']!;

    const g = new GraphBuilder();
    g.output('logits', adapt(g, base, g.parameter('proj.lora_B', learned)));
    const files = await saveOnnx(g.build(), join(folder, 'adapted.onnx'), { external: true, stored: inFile });
    // The data are those of the model; only the factors are new.
    expect(files.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(MIB);
    expect(statSync(join(folder, DATA)).size).toBe(3 * GIB);
    const again = await backend.compile(await loadOnnx(join(folder, 'adapted.onnx')));
    const { logits: after } = await again.run(ids);
    const update = (i: number, j: number): number =>
      [0, 1].reduce((sum, r) => sum + Number(lora.data[i * RANK + r]) * Number(learned.data[r * HIDDEN + j]), 0);
    assertClose(after!, expected(update), { absolute: 1e-4, relative: 1e-4 });
    await again.dispose();
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
    expect(rss() - before).toBeLessThan(512);
  });

  it('gets places beyond 4 GiB when it is written anew, with a copy of its largest table', async () => {
    const base = await loadOnnx(path);
    const g = new GraphBuilder();
    const { data } = base.parameters.get('tables.first.weight')!;
    const copy = g.ops.take(g.parameter('copy', data), g.input('third', 'int64', [1]));
    const outputs = inline(g, base);
    for (const [name, value] of Object.entries({ ...outputs, copy })) g.output(name, value);
    const before = rss();
    // Only laid out: the bytes are streamed by `external.write`.
    const { external, model } = await writeOnnx(g.build(), { external: { location: 'new.onnx_data' } });
    expect(external!.size).toBeGreaterThan(5 * GIB - MIB);
    const places = external!.entries.toSorted((x, y) => x.offset - y.offset);
    expect(places.at(-1)!.offset).toBeGreaterThan(2 ** 32 - 1);
    for (const [i, { offset, length }] of places.entries()) {
      expect(offset + length).toBeLessThanOrEqual(places[i + 1]?.offset ?? external!.size);
    }
    expect(model.length).toBeLessThan(MIB);
    expect(rss() - before).toBeLessThan(64);
  });
});
