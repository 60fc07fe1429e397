import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { AnnealError } from '@anneal/core';

import { problem } from '../problems.ts';
import { ggufTokenizer } from './gguf.ts';
import { toTokenizerConfig, toTokenizerJson } from './write.ts';

/** The two files of a tokenizer, as text. */
export interface TokenizerFiles {
  readonly tokenizer: string;
  /** `tokenizer_config.json`, where there is one. */
  readonly config: string | undefined;
}

/**
 * Reads a tokenizer from a folder, from its `tokenizer.json` with the `tokenizer_config.json` beside it, or from a
 * `.gguf` file.
 * @throws AnnealError `TOKENIZER_E_FILE` when there is none
 */
export async function loadTokenizerFiles(path: string): Promise<TokenizerFiles> {
  if (path.toLowerCase().endsWith('.gguf')) return fromGguf(path);
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
    throw unreadable(path, cause);
  }
}

/** Written as files: what is emitted is the tokenizer alone. */
async function fromGguf(path: string): Promise<TokenizerFiles> {
  // Only here: reading other tokenizers needs nothing of it.
  const { loadGguf } = await import('@anneal/graph/node');
  const { metadata } = await loadGguf(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const definition = ggufTokenizer(metadata);
  const chatTemplate = metadata.get('tokenizer.chat_template');
  const config = {
    ...toTokenizerConfig(definition),
    ...(typeof chatTemplate === 'string' && { chat_template: chatTemplate }),
  };
  // The limit is the model's, not a wish to cut: it stays in the config.
  const tokenizer = toTokenizerJson({ ...definition, maxLength: undefined });
  return { tokenizer: JSON.stringify(tokenizer), config: JSON.stringify(config) };
}

function unreadable(path: string, cause: unknown): AnnealError {
  return problem('TOKENIZER_E_FILE', `cannot read a tokenizer from ${path}: ${(cause as Error).message}`, {
    cause,
    file: path,
    path: ['from'],
    fix: 'give the path of a `tokenizer.json`, of the folder that holds it, or of a GGUF file',
  });
}
