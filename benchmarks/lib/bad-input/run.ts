import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ByteSource,
  canonicalize,
  describeGraph,
  gradients,
  GraphBuilder,
  GraphError,
  inline,
  memorySource,
  readGguf,
  readOnnx,
  readSafetensors,
  sizeOf,
  valuesOf,
  writeOnnx,
} from '@anneal/graph';
import { importTfjs } from '@anneal/plugin-tfjs-model';
import { seededRandom } from '@anneal/testkit';
import { mutate, mutateModel } from '../../../packages/graph/test/formats/mutate.ts';
import { mutateJson } from '../../../packages/plugins/tfjs-model/test/mutate.ts';

export interface Options {
  /** For each of the formats together. */
  readonly seconds: number;
  readonly seed: number;
}

export interface Result {
  readonly format: string;
  readonly cases: number;
  readonly refused: number;
  /** Milliseconds of a case. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Seed of the slowest case. */
  readonly slowest: string;
  /** Largest growth of memory in a case, in MB; includes what was not collected yet. */
  readonly memoryMb: number;
  /** What came out that is no GraphError or names no file. */
  readonly unexpected: readonly string[];
}

interface Format {
  readonly name: string;
  readonly originals: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly mutate: (bytes: Uint8Array, random: () => number) => Uint8Array;
  readonly read: (bytes: Uint8Array) => Promise<unknown>;
}

const fixtures = new URL('../../../packages/graph/test/fixtures/', import.meta.url).pathname;

function filesOf(folder: string, extension: string, limit: number = Infinity): [string, Uint8Array][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && statSync(join(folder, name)).size <= limit)
    .sort()
    .map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]);
}

const MAX_TRAINED = 1e6;

/** Reads a model, with its sizes open and with some bound, and does what commands do with one. */
async function useModel(bytes: Uint8Array): Promise<void> {
  const weights = memorySource(new Uint8Array(768), 'w.bin');
  const source = memorySource(bytes, 'm.onnx');
  const external = (): Promise<ByteSource> => Promise.resolve(weights);
  const graph = await readOnnx(source, { external });
  describeGraph(graph);
  await writeOnnx(graph);
  const { graph: canonical } = canonicalize(await readOnnx(source, { external, dims: { batch: 2, unknown_0: 3 } }));
  await writeOnnx(canonical);
  // Gradients are made for sizes that a machine can train.
  if ([...valuesOf(canonical)].some(({ shape }) => sizeOf(shape.map(Number)) > MAX_TRAINED)) return;
  const g = new GraphBuilder();
  const outputs = Object.values(inline(g, canonical)).filter(({ dtype }) => dtype === 'float32');
  const weightsOf = [...canonical.parameters.keys()].flatMap((name) => g.findParameter(name)?.value ?? []);
  const inputs = g.nodes.flatMap((node) => node.inputs).filter((value) => value !== undefined);
  const wrt = [...weightsOf, ...inputs].filter(({ dtype }) => dtype === 'float32').slice(0, 4);
  if (outputs[0] !== undefined) gradients(g, g.ops.sum(outputs[0]), wrt, { unused: 'omit' });
}

/** A model of TensorFlow.js: convolutions, normalisation, a recurrent layer; 8-bit weights. */
const tfjs = new URL('../../../packages/plugins/tfjs-model/test/fixtures/', import.meta.url).pathname;

async function useTfjs(json: Uint8Array): Promise<void> {
  const weights = new Uint8Array(readFileSync(join(tfjs, 'layers.bin')));
  const { graph } = await importTfjs(memorySource(json, 'model.json'), (path) =>
    Promise.resolve(memorySource(weights, path)),
  );
  describeGraph(graph);
  await writeOnnx(graph);
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function formats(): Format[] {
  const more = process.env['ANNEAL_ONNX_MODELS'];
  const models = [
    ...filesOf(join(fixtures, 'onnx'), '.onnx'),
    ...(more === undefined ? [] : filesOf(more, '.onnx', 20_000)),
  ];
  const gguf = readFileSync(join(fixtures, 'quantized.gguf'));
  return [
    { name: 'ONNX, bytes', originals: models, mutate, read: useModel },
    { name: 'ONNX, messages', originals: models, mutate: mutateModel, read: useModel },
    {
      name: 'safetensors',
      originals: filesOf(join(fixtures, 'safetensors'), '.safetensors'),
      mutate,
      read: (bytes) => readSafetensors(memorySource(bytes, 'm.safetensors')),
    },
    {
      name: 'GGUF',
      // The header is what is edited.
      originals: [['quantized.gguf', new Uint8Array(gguf.subarray(0, 4000))]],
      mutate,
      read: (bytes) => readGguf(memorySource(Buffer.concat([bytes, gguf.subarray(4000)]), 'm.gguf')),
    },
    {
      name: 'TensorFlow.js',
      originals: filesOf(tfjs, '.json'),
      mutate: (bytes, random) => encoder.encode(JSON.stringify(mutateJson(JSON.parse(decoder.decode(bytes)), random))),
      read: useTfjs,
    },
  ];
}

export async function run({ seconds, seed }: Options): Promise<Result[]> {
  const results: Result[] = [];
  const all = formats();
  for (const format of all) results.push(await fuzz(format, (1000 * seconds) / all.length, seed));
  return results;
}

async function fuzz(format: Format, milliseconds: number, firstSeed: number): Promise<Result> {
  const times: number[] = [];
  const unexpected: string[] = [];
  let [refused, slowest, max, memory] = [0, '', 0, 0];
  const end = performance.now() + milliseconds;
  for (let seed = firstSeed; performance.now() < end; seed++) {
    const random = seededRandom(seed);
    const [name, original] = format.originals[Math.floor(random() * format.originals.length)] as [string, Uint8Array];
    const bytes = format.mutate(original, random);
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const error = await format.read(bytes).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const took = performance.now() - started;
    times.push(took);
    memory = Math.max(memory, process.memoryUsage().rss - before);
    const label = `seed ${seed} of ${name}`;
    if (took > max) [max, slowest] = [took, label];
    if (error === undefined) continue;
    refused++;
    const problem = problemOf(error);
    if (problem !== undefined && unexpected.length < 50) unexpected.push(`${label}: ${problem}`);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? 0;
  return {
    format: format.name,
    cases: times.length,
    refused,
    p50: at(0.5),
    p99: at(0.99),
    max,
    slowest,
    memoryMb: memory / 1e6,
    unexpected,
  };
}

function problemOf(error: unknown): string | undefined {
  if (error instanceof GraphError) return undefined;
  return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 6).join(' | ') : String(error);
}

export function report(results: readonly Result[]): string {
  const lines = results.map(
    ({ format, cases, refused, p50, p99, max, slowest, memoryMb }) =>
      `${format}: ${cases} cases, ${refused} refused; ms p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, ` +
      `max ${max.toFixed(0)} (${slowest}); memory +${memoryMb.toFixed(0)} MB`,
  );
  return [...lines, ...results.flatMap(({ unexpected }) => unexpected.map((text) => `  ${text}`))].join('\n');
}
