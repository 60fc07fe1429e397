import type { Row, Sample } from '@anneal/core';

import type { Tokenizer } from './bpe/tokenizer.ts';
import type { ResolvedOptions } from './options.ts';
import { problem } from './problems.ts';

type Columns = Pick<ResolvedOptions, 'text' | 'pair'>;

function textOf(row: Row, column: string): string {
  const text = row[column];
  if (typeof text === 'string') return text;
  const received = text === undefined ? 'nothing' : JSON.stringify(text).slice(0, 80);
  throw problem('TOKENIZER_E_COLUMN', `expected a string in column \`${column}\`, received ${received}`, {
    fix: `set option \`text\` or \`pair\`; the row has the columns ${Object.keys(row).join(', ') || '(none)'}`,
  });
}

/**
 * The one or two texts of a row.
 * @throws AnnealError `TOKENIZER_E_COLUMN` when a column holds no string
 */
export function textsOf(row: Row, { text, pair }: Columns): [string] | [string, string] {
  return pair === undefined ? [textOf(row, text)] : [textOf(row, text), textOf(row, pair)];
}

/** Adds `input_ids`, `attention_mask` and, where the options say so, `token_type_ids` to a sample. */
export function encodeRow(sample: Sample, tokenizer: Tokenizer, options: ResolvedOptions, maxLength: number): Sample {
  const [text, pair] = textsOf(sample.row, options);
  // A tokenizer's own limit is its model's: where samples are cut later, it does not matter how long a text is.
  const own = maxLength === Infinity ? Infinity : (tokenizer.definition.maxLength ?? Infinity);
  const limit = Math.min(maxLength, options.maxLength ?? Infinity, own);
  const { ids, typeIds } = tokenizer.encode(text, { pair, maxLength: limit });
  return {
    ...sample,
    features: {
      ...sample.features,
      input_ids: ids,
      attention_mask: new Int32Array(ids.length).fill(1),
      ...(options.typeIds && { token_type_ids: typeIds }),
    },
  };
}
