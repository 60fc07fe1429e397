import { readFileSync } from 'node:fs';
import { tfjsBackend } from '@anneal/backend-tfjs';
import type { Backend } from '@anneal/graph';
import { parseXfails, testBackend } from '@anneal/testkit';
import { afterAll, describe, it } from 'vitest';
import { SKIPPED } from './skip.ts';

const tests = new URL('../../packages/backends/tfjs/test/', import.meta.url);
const xfails = (name: string): Record<string, string> =>
  parseXfails(readFileSync(new URL(`${name}.txt`, tests), 'utf8'));

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= tfjsBackend({ device: 'webgpu' }));
afterAll(async () => (await opened)?.close());

describe.skipIf(SKIPPED !== undefined)(`TensorFlow.js on WebGPU${SKIPPED === undefined ? '' : `: ${SKIPPED}`}`, () => {
  testBackend(open, { it, xfails: { ...xfails('xfails'), ...xfails('xfails-webgpu') } });
});
