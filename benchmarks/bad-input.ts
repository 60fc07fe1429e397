// `pnpm bench bad-input [--seconds <n>] [--seed <n>] [--json]`: damaged ONNX, safetensors, GGUF and TensorFlow.js files, made from the
// fixtures of the tests by seeded random edits. Reports how long the refusals took and what came out that is no
// GraphError. `ANNEAL_ONNX_MODELS`: a folder of more models to start from.
import { report, run } from './lib/bad-input/run.ts';

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};

const results = await run({ seconds: option('--seconds', 20), seed: option('--seed', 1) });
console.log(process.argv.includes('--json') ? JSON.stringify(results, undefined, 2) : report(results));
if (results.some(({ unexpected }) => unexpected.length > 0)) process.exitCode = 1;
