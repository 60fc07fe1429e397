import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { tensor, type TensorData, type Tensors } from '@anneal/graph';

interface Expected {
  readonly feeds: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** By activation. */
  readonly logits: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** A checkpoint that Hugging Face transformers wrote, and what it computes; see tools/goldens/transformer. */
export interface Golden {
  readonly dir: string;
  readonly expected: Expected;
}

export function goldenOf(architecture: string): Golden {
  const dir = fileURLToPath(new URL(`./fixtures/${architecture}`, import.meta.url));
  return { dir, expected: JSON.parse(readFileSync(`${dir}/expected.json`, 'utf8')) as Expected };
}

export const { dir: BERT_DIR, expected }: Golden = goldenOf('bert');

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
