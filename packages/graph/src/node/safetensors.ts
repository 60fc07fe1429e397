import { readSafetensors, type Safetensors } from '../formats/safetensors/read.ts';
import { writeSafetensors, type WriteSafetensorsOptions } from '../formats/safetensors/write.ts';
import type { TensorSource } from '../tensor.ts';
import { fileSource } from './file-source.ts';
import { writeFiles, type WrittenFile } from './write-files.ts';

/** Reads the header of a safetensors file; see {@link readSafetensors}. */
export async function loadSafetensors(path: string): Promise<Safetensors> {
  return readSafetensors(await fileSource(path));
}

/** Writes a safetensors file; see {@link writeSafetensors}. It appears complete or not at all. */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorSource>,
  options: WriteSafetensorsOptions = {},
): Promise<WrittenFile> {
  const [written] = await writeFiles([{ path, fill: (writer) => writeSafetensors(tensors, writer, options) }]);
  return written as WrittenFile;
}
