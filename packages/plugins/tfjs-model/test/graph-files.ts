import { attr, type Given } from './graph-ops.ts';
import { type Files, tf } from './tfjs.ts';

export const DTYPES = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL' } as const;

/** The files of a graph model of these nodes; weights are in the order of their names. */
export function graphFiles(
  nodes: readonly {
    readonly name: string;
    readonly op: string;
    readonly input?: readonly string[];
    readonly attr?: object;
  }[],
  weights: Readonly<Record<string, Given>>,
  outputs: readonly string[],
): Files {
  const tensors = Object.entries(weights).map(([name, given]) => {
    const isInts = typeof given === 'object' && 'ints' in given;
    return [name, tf.tensor(isInts ? given.ints : given, undefined, isInts ? 'int32' : 'float32')] as const;
  });
  const bytes = tensors.flatMap(([, value]) => [...new Uint8Array(value.dataSync().slice().buffer)]);
  const json = {
    format: 'graph-model',
    modelTopology: {
      node: [
        ...tensors.map(([name, { dtype }]) => ({
          name,
          op: 'Const',
          attr: { dtype: attr.type(DTYPES[dtype as 'int32']), value: { tensor: {} } },
        })),
        ...nodes,
      ],
      versions: { producer: 1 },
    },
    signature: {
      outputs: Object.fromEntries(outputs.map((name, i) => [`out_${i}`, { name }])),
    },
    weightsManifest: [
      { paths: ['w.bin'], weights: tensors.map(([name, { shape, dtype }]) => ({ name, shape, dtype })) },
    ],
  };
  return new Map([
    ['model.json', new TextEncoder().encode(JSON.stringify(json))],
    ['w.bin', Uint8Array.from(bytes)],
  ]);
}

/** The same files as TensorFlow.js loads them. */
export function loadInTf(files: Files): Promise<tf.GraphModel> {
  const json = JSON.parse(new TextDecoder().decode(files.get('model.json'))) as {
    modelTopology: object;
    signature?: object;
    weightsManifest: { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
  };
  return tf.loadGraphModel({
    load: () => {
      const parts = json.weightsManifest.flatMap(({ paths }) => paths.map((path) => files.get(path) as Uint8Array));
      const data = Uint8Array.from(Buffer.concat(parts));
      return Promise.resolve({
        modelTopology: json.modelTopology,
        weightSpecs: json.weightsManifest.flatMap(({ weights }) => weights),
        weightData: data.buffer,
        ...(json.signature && { signature: json.signature }),
      });
    },
  });
}
