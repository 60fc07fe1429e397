import { afterAll, it } from 'vitest';
import type { Backend } from '@anneal/graph';
import { testBackend } from '@anneal/testkit';
import { webBackend } from '../../src/web/index.ts';

// ONNX Runtime Web runs in Node too: the same WebAssembly as in a page.
const xfails = {
  'ReduceMax: NaN': 'the kernel skips NaN',
  'ReduceMin: NaN': 'the kernel skips NaN',
  'LRN: even size': 'the kernel refuses it',
  'MaxPool: rounded up into the padding': 'this build infers one row too many',
  'AveragePool: rounded up into the padding': 'this build infers one row too many',
};

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= webBackend());
afterAll(async () => (await opened)?.close());
testBackend(open, { xfails, it });
