import type { AnnealError } from '@anneal/core';
import * as v from 'valibot';

import { problem } from '../problems.ts';

/** Where in a file. */
export type Path = readonly (string | number)[];

/** A token id or count. */
export const idSchema: v.GenericSchema<number> = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Checks a part of a file; `path` says which, for the message. */
export function validate<S extends v.GenericSchema>(schema: S, input: unknown, path: Path): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = [...path, ...(issue.path ?? []).map(({ key }) => key as string | number)];
  throw problem('TOKENIZER_E_FORMAT', `${where.join('.') || 'tokenizer.json'}: ${issue.message}`, {
    path: where,
  });
}

/** The error for something that a file may ask for and this package does not do. */
export function unsupported(what: string, path: Path): AnnealError {
  return problem('TOKENIZER_E_UNSUPPORTED', `${path.join('.')}: ${what} is not supported`, {
    path,
    fix: 'only byte-level BPE that splits words as GPT-2 does can be read',
  });
}
