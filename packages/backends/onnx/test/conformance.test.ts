import { afterAll, describe, it } from 'vitest';
import type { Backend } from '@anneal/graph';
import { testBackend } from '@anneal/testkit';
import { onnxBackend } from '../src/index.ts';

const xfails = {
  'ReduceMax: NaN': 'the kernel skips NaN',
  'ReduceMin: NaN': 'the kernel skips NaN',
  'LRN: even size': 'the kernel refuses it',
};

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= onnxBackend({ threads: 2 }));
afterAll(async () => (await opened)?.close());

// Sessions for training and for inference have different options.
describe.each(['inference', 'training'] as const)('for %s', (purpose) => {
  const backend = async (): Promise<Backend> => {
    const onnx = await open();
    return {
      info: onnx.info,
      compile: (graph, options) => onnx.compile(graph, { ...options, purpose }),
      createState: (tensors) => onnx.createState(tensors),
      memory: () => onnx.memory(),
      close: () => onnx.close(),
    };
  };
  testBackend(backend, { xfails, it });
});
