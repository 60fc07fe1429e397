// Writes packages/graph/test/fixtures/op-cases.json: what ONNX Runtime computes for every case of
// packages/testkit/src/op-cases.ts. Run from the root:
//   node --conditions=@anneal/source --import ./scripts/source.mjs tools/goldens/ops/make.ts
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as ort from 'onnxruntime-node';
import { lower } from '../../../packages/backends/onnx/src/lower/index.ts';
import { type TensorData, writeOnnx } from '../../../packages/graph/src/index.ts';
import { caseId } from '../../../packages/graph/test/interpret/case-id.ts';
import { type OpCase, opCases } from '../../../packages/testkit/src/index.ts';

type Runtime = typeof ort;
type RuntimeTensor = InstanceType<Runtime['Tensor']>;

const runtime = createRequire(new URL('../../../packages/backends/onnx/package.json', import.meta.url))(
  'onnxruntime-node',
) as Runtime;

/** One thread and no fusion: the kernels as they are. */
const SESSION = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'disabled',
  logSeverityLevel: 4,
} as const;

/** Elements as base64 of little-endian bytes: NaN and every last bit survive. */
function packed({ data, dims, type }: RuntimeTensor): { dtype: string; shape: readonly number[]; data: string } {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return { dtype: type, shape: dims, data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

async function run({ graph, feeds }: OpCase): Promise<Record<string, ReturnType<typeof packed>>> {
  // Operators of our own are what the backend makes of them.
  const isOurs = graph.nodes.some(({ domain }) => domain === 'anneal');
  const { model } = await writeOnnx(isOurs ? lower(graph) : graph);
  const session = await runtime.InferenceSession.create(model, SESSION);
  const inputs = Object.entries(feeds).map(([name, { dtype, shape, data }]: [string, TensorData]) => [
    name,
    new runtime.Tensor(dtype as RuntimeTensor['type'], data as RuntimeTensor['data'], shape),
  ]);
  const outputs = await session.run(Object.fromEntries(inputs));
  await session.release();
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, packed(value)]));
}

const cases: Record<string, object> = {};
const refused: Record<string, string> = {};
for (const opCase of opCases()) {
  try {
    cases[opCase.name] = { id: caseId(opCase), outputs: await run(opCase) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    refused[opCase.name] = (message.split('\n')[0] ?? '').replaceAll(/\/\S+/g, '').slice(0, 200);
  }
}

const lines = Object.entries(cases).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
const text = `{
  "source": "onnxruntime-node ${runtime.env.versions.node ?? ''}, cpu",
  "refused": ${JSON.stringify(refused, undefined, 2).replaceAll('\n', '\n  ')},
  "cases": {
${lines.join(',\n')}
  }
}
`;
writeFileSync(new URL('../../../packages/graph/test/fixtures/op-cases.json', import.meta.url), text);
process.stdout.write(`${lines.length} cases, ${Object.keys(refused).length} refused, ${text.length} bytes\n`);
