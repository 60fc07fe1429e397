/**
 * Reads ONNX models, writes them again, and compares what ONNX Runtime computes from both, byte for byte. Prints a count
 * of each outcome with examples; fails when a result differs or an error has no code.
 *
 *     mkdir /tmp/models && cd /tmp/models && npm install --ignore-scripts @ricky0123/vad-web openwakeword-js
 *     node --conditions=@anneal/source --import tsx tools/checks/onnx-models.ts /tmp/models
 *
 * The 1,800 models in the Python package `onnx` (folder `onnx/backend/test/data`) are another good argument.
 *
 * Symbolic dimensions are 1, the last one of an input 512. Models that need it (Silero's voice detectors, whose branches
 * ask for the sampling rate) get their input `sr` fixed.
 */
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { type Graph, GraphError, sizeOf, tensor, writeOnnx } from '../../packages/graph/src/index.ts';
import { loadOnnx } from '../../packages/graph/src/node/index.ts';

const ort = createRequire(new URL('../../packages/graph/package.json', import.meta.url))(
  'onnxruntime-node',
) as typeof Ort;
const OPTIONS: Ort.InferenceSession.SessionOptions = { logSeverityLevel: 4 };
const RATE = 16_000n;
/** Elements of an input that are worth computing with. */
const MAX_ELEMENTS = 1e7;

interface Loaded {
  readonly graph: Graph;
  readonly fixed: Readonly<Record<string, Ort.Tensor>>;
}

async function load(path: string): Promise<Loaded> {
  try {
    return { graph: await loadOnnx(path), fixed: {} };
  } catch (error) {
    const dims = { batch: 1, sequence: 512, unknown_0: 1, unknown_1: 512, unknown_2: 1 };
    const inputs = { sr: tensor('int64', [], [RATE]) };
    const graph = await loadOnnx(path, { inputs, dims }).catch(() => Promise.reject(error));
    return { graph, fixed: { sr: new ort.Tensor('int64', BigInt64Array.of(RATE), []) } };
  }
}

/** Values for an input; `undefined` when it cannot be fed from JavaScript. */
function feed(meta: Ort.InferenceSession.ValueMetadata): Ort.Tensor | undefined {
  if (!meta.isTensor) return undefined;
  const dims = meta.shape.map((dim, i) => (typeof dim === 'number' ? dim : i === meta.shape.length - 1 ? 512 : 1));
  const length = sizeOf(dims);
  if (length > MAX_ELEMENTS) return undefined;
  const from = <T>(value: (i: number) => T): T[] => Array.from({ length }, (_, i) => value(i));
  try {
    if (meta.type === 'int64') return new ort.Tensor('int64', BigInt64Array.from(from((i) => BigInt(i % 2))), dims);
    if (meta.type === 'uint64') return new ort.Tensor('uint64', BigUint64Array.from(from((i) => BigInt(i % 2))), dims);
    if (meta.type === 'bool')
      return new ort.Tensor(
        'bool',
        from((i) => i % 2 === 0),
        dims,
      );
    if (meta.type === 'string')
      return new ort.Tensor(
        'string',
        from(() => 'a'),
        dims,
      );
    if (meta.type === 'float16') return new ort.Tensor('float16', Uint16Array.from(from(() => 0x3c00)), dims);
    if (meta.type.startsWith('float'))
      return new ort.Tensor(
        meta.type,
        from((i) => Math.sin(i * 0.37)),
        dims,
      );
    return new ort.Tensor(
      meta.type,
      from((i) => i % 2),
      dims,
    );
  } catch {
    return undefined;
  }
}

type Results = Readonly<Record<string, Ort.Tensor>>;

function equal(a: Results, b: Results): boolean {
  return Object.entries(a).every(([name, { data }]) => {
    const other = b[name]?.data;
    if (Array.isArray(data)) return JSON.stringify(data) === JSON.stringify(other);
    const bytes = (view: Ort.Tensor['data'] | undefined): Buffer => {
      const { buffer, byteOffset, byteLength } = view as Uint8Array;
      return Buffer.from(buffer, byteOffset, byteLength);
    };
    return other !== undefined && bytes(data).equals(bytes(other));
  });
}

async function compare(path: string, { graph, fixed }: Loaded): Promise<string> {
  const { model } = await writeOnnx(graph, { valueInfo: true });
  const original = await ort.InferenceSession.create(path, OPTIONS).catch(() => undefined);
  if (original === undefined) return 'read and written; ONNX Runtime cannot load the original';
  const ours = await ort.InferenceSession.create(model, OPTIONS);
  const feeds: Record<string, Ort.Tensor> = { ...fixed };
  for (const meta of original.inputMetadata) {
    const value = feeds[meta.name] ?? feed(meta);
    if (value === undefined) return 'read, written and loaded; its inputs cannot be fed';
    feeds[meta.name] = value;
  }
  // The Node binding ends the process when an output has one of these types.
  if (original.outputMetadata.some((meta) => !meta.isTensor || /int4|int2|float8|float4/.test(meta.type))) {
    return 'read, written and loaded; its outputs cannot be fetched';
  }
  if (/random|bernoulli|multinomial|training/.test(path)) return 'read, written and loaded; it draws random numbers';
  const expected = await original.run(feeds).catch(() => undefined);
  const rest = Object.fromEntries(Object.entries(feeds).filter(([name]) => ours.inputNames.includes(name)));
  const actual = await ours.run(rest).catch(() => undefined);
  if (expected === undefined) return 'read, written and loaded; the original refuses the inputs';
  return actual !== undefined && equal(expected, actual) ? 'SAME RESULTS' : 'DIFFERENT RESULTS';
}

async function check(path: string): Promise<string> {
  try {
    return await compare(path, await load(path));
  } catch (error) {
    if (!(error instanceof GraphError)) return `NO CODE: ${String(error)}`;
    const what = error.message.replace(/^[^:]*: /, '').replaceAll(/"[^"]*"/g, '"…"');
    return `refused: ${error.code} ${what.split('; received')[0]}`;
  }
}

function* models(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.onnx')) yield join(path, name);
  }
}

const outcomes = new Map<string, string[]>();
for (const argument of process.argv.slice(2)) {
  for (const path of models(argument)) {
    const outcome = await check(path);
    outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), path.replace(argument, '')]);
    if (/^(DIFFERENT|NO CODE)/.test(outcome)) process.exitCode = 1;
  }
}
for (const [outcome, paths] of [...outcomes].sort(([, a], [, b]) => b.length - a.length)) {
  process.stdout.write(`${paths.length}\t${outcome}\t${paths.slice(0, 3).join(' ')}\n`);
}
