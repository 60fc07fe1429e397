import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root: string = join(import.meta.dirname, '../..');

/** A fenced block of a Markdown file. */
export interface Block {
  /** `docs/guides/start.md:12`: where its first line is. */
  readonly at: string;
  /** Without attributes; empty where there is none. */
  readonly language: string;
  readonly text: string;
}

/** Templates and third parties are projects of their own, which are tested as they are when they are installed. */
const SKIPPED = new Set(['node_modules', 'dist', 'test', 'goldens', 'proto', 'templates', 'third-party']);

function* markdownFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* markdownFiles(path);
    else if (entry.name.endsWith('.md') && entry.name !== 'CHANGELOG.md') yield path;
  }
}

function* blocksOf(file: string): Generator<Block> {
  const name = relative(root, file).replaceAll('\\', '/');
  let open: { readonly line: number; readonly fence: string; readonly language: string; text: string[] } | undefined;
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const [, fence = '', language = ''] = /^\s*(`{3,})\s*(\S*)/.exec(line) ?? [];
    if (open === undefined) {
      if (fence !== '') open = { line: i + 2, fence, language, text: [] };
    } else if (fence.startsWith(open.fence) && language === '') {
      yield { at: `${name}:${open.line}`, language: open.language, text: open.text.join('\n') };
      open = undefined;
    } else open.text.push(line);
  }
  if (open !== undefined) throw new Error(`${name}:${open.line}: a block that does not end`);
}

/** Every block of every Markdown file of the repository. */
export function allBlocks(): readonly Block[] {
  return [...markdownFiles(root)].toSorted().flatMap((file) => [...blocksOf(file)]);
}
