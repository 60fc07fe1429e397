import { readFileSync } from 'node:fs';
import { tfjsBackend } from '@anneal/backend-tfjs';
import type { Backend } from '@anneal/graph';
import { parseXfails, testBackend } from '@anneal/testkit';
import { afterAll, describe, it } from 'vitest';

/** A folder where `@tensorflow/tfjs-node` is installed, which downloads TensorFlow's library from Google. */
const root = process.env['ANNEAL_TEST_TFJS_NODE'];

const file = new URL('../packages/backends/tfjs/test/xfails.txt', import.meta.url);

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= tfjsBackend({ device: 'node', root }));
afterAll(async () => (await opened)?.close());

describe.skipIf(root === undefined)('tfjs-node: needs ANNEAL_TEST_TFJS_NODE, a folder that has it', () => {
  testBackend(open, { it, xfails: parseXfails(readFileSync(file, 'utf8')) });
});
