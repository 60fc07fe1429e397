import { basename, dirname } from 'node:path';
import { readOnnx, type ReadOnnxOptions } from '../formats/onnx/read.ts';
import { writeOnnx, type WriteOnnxOptions } from '../formats/onnx/write.ts';
import type { Graph } from '../ir.ts';
import { byteLengthOf } from '../tensor.ts';
import { externalFolder, type ExternalFolderOptions, fileSource } from './file-source.ts';
import { type FileToWrite, writeFiles, type WrittenFile } from './write-files.ts';

export interface LoadOnnxOptions extends Omit<ReadOnnxOptions, 'external'>, ExternalFolderOptions {}

/** Reads an ONNX file; see {@link readOnnx}. External data is looked for in its folder and nowhere else. */
export async function loadOnnx(path: string, options: LoadOnnxOptions = {}): Promise<Graph> {
  const { root, ...rest } = options;
  return readOnnx(await fileSource(path), { ...rest, external: externalFolder(dirname(path), { root }) });
}

export interface SaveOnnxOptions extends Omit<WriteOnnxOptions, 'external'> {
  /**
   * Write the parameters to a file beside the model, named after it with `_data` at the end, as transformers.js expects.
   * @defaultValue `true` above 1 GiB of parameters
   */
  readonly external?: boolean | undefined;
}

const EXTERNAL_ABOVE_BYTES = 2 ** 30;

/** Writes an ONNX file, and its external data, if any; see {@link writeOnnx}. Both appear complete or not at all. */
export async function saveOnnx(graph: Graph, path: string, options: SaveOnnxOptions = {}): Promise<WrittenFile[]> {
  const { external = parameterBytes(graph) > EXTERNAL_ABOVE_BYTES, ...rest } = options;
  const location = `${basename(path)}_data`;
  const written = await writeOnnx(graph, { ...rest, external: external ? { location } : undefined });
  const files: FileToWrite[] = [{ path, fill: (writer) => writer.write(written.model) }];
  const data = written.external;
  if (data && data.size > 0) files.unshift({ path: `${path}_data`, fill: (writer) => data.write(writer) });
  return writeFiles(files);
}

function parameterBytes(graph: Graph): number {
  let bytes = 0;
  for (const { data } of graph.parameters.values()) bytes += byteLengthOf(data.dtype, data.shape);
  return bytes;
}
