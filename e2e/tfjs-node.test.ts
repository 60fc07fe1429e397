import { readFileSync } from 'node:fs';
import { tfjsBackend } from '@anneal/backend-tfjs';
import { type Backend, GraphBuilder, tensor, zeros } from '@anneal/graph';
import { parseXfails, testBackend } from '@anneal/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import type { TfjsBackend } from '../packages/backends/tfjs/src/backend.ts';

/**
 * A folder where `@tensorflow/tfjs-node` is installed, which downloads TensorFlow's library from Google. How to build it
 * of what PyPI has: docs/decisions/0017.
 */
const root = process.env['ANNEAL_TEST_TFJS_NODE'];

const file = new URL('../packages/backends/tfjs/test/xfails.txt', import.meta.url);

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= tfjsBackend({ device: 'node', root }));
afterAll(async () => (await opened)?.close());

describe.skipIf(root === undefined)('tfjs-node: needs ANNEAL_TEST_TFJS_NODE, a folder that has it', () => {
  testBackend(open, { it, xfails: parseXfails(readFileSync(file, 'utf8')) });

  it('keeps as many tensors after 200 steps as after one', async () => {
    const backend = (await open()) as TfjsBackend;
    const g = new GraphBuilder();
    const { ops } = g;
    const [w, x] = [g.input('w', 'float32', [8, 8]), g.input('x', 'float32', [2, 4, 8])];
    // Reshaped, raised to a power and averaged: what the library does by several operators of its own.
    const y = ops.layerNorm(ops.matmul(x, w), g.constant(zeros('float32', [8])), g.constant(zeros('float32', [8])));
    const loss = ops.mean(ops.pow(ops.reshape(y, [8, 8]), g.scalar(2, 'float32')));
    g.output('loss', loss);
    g.output('w.next', ops.sub(w, ops.mul(w, loss)));
    const state = await backend.createState({ w: tensor('float32', [8, 8], new Float32Array(64).fill(0.5)) });
    const program = await backend.compile(g.build(), { state, updates: { 'w.next': 'w' }, purpose: 'training' });
    const feeds = { x: zeros('float32', [2, 4, 8]) };
    await program.run(feeds);
    const count = await backend.tensorCount();
    for (let step = 0; step < 200; step++) await program.run(feeds);
    expect(await backend.tensorCount()).toBe(count);
    await program.dispose();
    await state.dispose();
  });
});
