import { type Gguf, readGguf } from '../formats/gguf/read.ts';
import { fileSource } from './file-source.ts';

/** Reads the header of a GGUF file; see {@link readGguf}. */
export async function loadGguf(path: string): Promise<Gguf> {
  return readGguf(await fileSource(path));
}
