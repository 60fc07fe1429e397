import type { AnnealError } from '@anneal/core';
import { folderOf, isFolder, joinPath, loadGguf, readText, resolvePath } from '@anneal/graph/files';

import { ggufTokenizer } from './format/gguf.ts';
import { toTokenizerConfig, toTokenizerJson } from './format/write.ts';
import { problem } from './problems.ts';

/** Larger files are no tokenizers. */
const MAX_BYTES = 512 * 2 ** 20;

/** The two files of a tokenizer, as text. */
export interface TokenizerFiles {
  readonly tokenizer: string;
  /** `tokenizer_config.json`, where there is one. */
  readonly config: string | undefined;
}

/** Where a project's tokenizer is. */
export function tokenizerPath(root: string, from: string): string {
  return resolvePath(root, from);
}

/**
 * Reads a tokenizer from a folder, from its `tokenizer.json` with the `tokenizer_config.json` beside it, or from a
 * `.gguf` file.
 * @throws AnnealError `TOKENIZER_E_FILE` when there is none
 */
export async function loadTokenizerFiles(path: string): Promise<TokenizerFiles> {
  if (path.toLowerCase().endsWith('.gguf')) return fromGguf(path);
  try {
    const inFolder = await isFolder(path);
    const tokenizer = await readText(inFolder ? joinPath(path, 'tokenizer.json') : path, MAX_BYTES);
    if (tokenizer === undefined) throw new Error('there is no such file');
    const folder = inFolder ? path : folderOf(path);
    return { tokenizer, config: await readText(joinPath(folder, 'tokenizer_config.json'), MAX_BYTES) };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Written as files: what is emitted is the tokenizer alone. */
async function fromGguf(path: string): Promise<TokenizerFiles> {
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
