import { expect } from 'vitest';
import { GraphError } from '../../src/error.ts';
import type { ByteSource } from '../../src/tensor.ts';

/** The error that a promise or a function ends with, which must be one with a code. */
export async function errorOf(run: () => unknown): Promise<GraphError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

export async function expectFormatError(run: () => unknown, message: RegExp): Promise<GraphError> {
  const error = await errorOf(run);
  expect(error.code).toBe('ANNEAL_E_FORMAT');
  expect(error.message).toMatch(message);
  return error;
}

/** Within this time, at its best of three: `pnpm bench bad-input` measures more closely than a busy machine allows here. */
const QUICK_MS = 1000;

/** An error whose message matches, and that it comes soon. */
export async function expectQuickError(run: () => unknown, message: RegExp): Promise<GraphError> {
  let best = Number.POSITIVE_INFINITY;
  let error: GraphError | undefined;
  for (let i = 0; i < 3 && best >= QUICK_MS; i++) {
    const started = performance.now();
    error = await errorOf(run);
    best = Math.min(best, performance.now() - started);
  }
  expect(error?.message).toMatch(message);
  expect(best).toBeLessThan(QUICK_MS);
  return error as GraphError;
}

export async function expectQuickFormatError(run: () => unknown, message: RegExp): Promise<GraphError> {
  const error = await expectQuickError(run, message);
  expect(error.code).toBe('ANNEAL_E_FORMAT');
  return error;
}

/** A source that counts what is read from it, and can claim to be larger than it is. */
export function countingSource(source: ByteSource, size: number = source.size): ByteSource & { bytesRead: number } {
  return {
    name: source.name,
    size,
    bytesRead: 0,
    read(offset, length) {
      this.bytesRead += length;
      return source.read(offset, length);
    },
  };
}
