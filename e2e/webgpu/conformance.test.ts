import { afterAll, describe, it } from 'vitest';
import type { Backend } from '@anneal/graph';
import { testBackend } from '@anneal/testkit';
import { onnxBackend } from '@anneal/backend-onnx';
import { SKIPPED } from './skip.ts';
import { XFAILS } from './xfails.ts';

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= onnxBackend({ device: 'webgpu', threads: 2 }));
afterAll(async () => (await opened)?.close());

describe.skipIf(SKIPPED !== undefined)(`on WebGPU${SKIPPED === undefined ? '' : `: ${SKIPPED}`}`, () => {
  testBackend(open, { xfails: XFAILS, it });
});
