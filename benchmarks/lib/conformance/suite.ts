import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeOnnxTensor, type TensorData } from '@anneal/graph';

/** One model of the suite. */
export interface ConformanceCase {
  /** Folder of the suite: `node`, `simple` … */
  readonly group: string;
  readonly name: string;
  readonly model: string;
  /** Folders that hold one set of inputs and expected outputs each. */
  readonly sets: readonly string[];
}

export interface CaseData {
  readonly inputs: readonly TensorData[];
  readonly outputs: readonly TensorData[];
}

/** Where Debian's package `libonnx-testdata` puts its files. */
export const DATA_FOLDER = '/usr/share/libonnx-testdata/data';

/** Every model below a folder of groups; `undefined` when the folder is not there. */
export function findCases(root: string): ConformanceCase[] | undefined {
  if (!existsSync(root)) return undefined;
  const folders = (path: string): string[] => readdirSync(path).sort();
  return folders(root).flatMap((group) =>
    folders(join(root, group)).flatMap((name) => {
      const folder = join(root, group, name);
      const model = join(folder, 'model.onnx');
      if (!existsSync(model)) return [];
      const sets = folders(folder).filter((entry) => entry.startsWith('test_data_set_'));
      return [{ group, name, model, sets: sets.map((set) => join(folder, set)) }];
    }),
  );
}

/** The tensors of one data set. @throws GraphError when one of them is no tensor of numbers. */
export function readData(folder: string): CaseData {
  const read = (kind: string): TensorData[] => {
    const files = readdirSync(folder).filter((file) => file.startsWith(`${kind}_`) && file.endsWith('.pb'));
    return files
      .map((_, i) => join(folder, `${kind}_${i}.pb`))
      .map((path) => decodeOnnxTensor(new Uint8Array(readFileSync(path)), path));
  };
  return { inputs: read('input'), outputs: read('output') };
}
