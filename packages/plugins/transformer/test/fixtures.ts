import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { tensor, type TensorData, type Tensors } from '@anneal/graph';

/** Folder of the checkpoint that Hugging Face transformers wrote; see tools/goldens/transformer. */
export const BERT_DIR: string = fileURLToPath(new URL('./fixtures/bert', import.meta.url));

interface Expected {
  readonly feeds: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** By activation. */
  readonly logits: Readonly<Record<string, readonly (readonly number[])[]>>;
}

export const expected: Expected = JSON.parse(readFileSync(`${BERT_DIR}/expected.json`, 'utf8')) as Expected;

/** The inputs of the golden, or other ones in the same form. */
export function feedsOf(feeds: Expected['feeds'] = expected.feeds): Tensors {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, rows]): [string, TensorData] => [
      name,
      tensor('int64', [rows.length, rows[0]?.length ?? 0], rows.flat()),
    ]),
  );
}

/** The largest absolute difference of two lists of numbers. */
export function difference(actual: ArrayLike<number | bigint>, wanted: readonly number[]): number {
  if (actual.length !== wanted.length) throw new Error(`${actual.length} values, expected ${wanted.length}`);
  return wanted.reduce((most, value, i) => {
    const gap = Math.abs(Number(actual[i]) - value);
    return Number.isNaN(gap) ? Infinity : Math.max(most, gap);
  }, 0);
}
