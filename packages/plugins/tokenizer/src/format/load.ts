import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { problem } from '../problems.ts';

/** The two files of a tokenizer, as text. */
export interface TokenizerFiles {
  readonly tokenizer: string;
  /** `tokenizer_config.json`, where there is one. */
  readonly config: string | undefined;
}

/**
 * Reads a tokenizer from a folder, or from its `tokenizer.json` with the `tokenizer_config.json` beside it.
 * @throws AnnealError `TOKENIZER_E_FILE` when there is none
 */
export async function loadTokenizerFiles(path: string): Promise<TokenizerFiles> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const folder = isFolder ? path : dirname(path);
    const tokenizer = await readFile(isFolder ? join(path, 'tokenizer.json') : path, 'utf8');
    const config = await readFile(join(folder, 'tokenizer_config.json'), 'utf8').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
    return { tokenizer, config };
  } catch (cause) {
    throw problem('TOKENIZER_E_FILE', `cannot read a tokenizer from ${path}: ${(cause as Error).message}`, {
      cause,
      file: path,
      path: ['from'],
      fix: 'give the path of a `tokenizer.json` or of the folder that holds it',
    });
  }
}
