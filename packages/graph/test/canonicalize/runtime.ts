import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DTYPES, type DType, type TypedArray } from '../../src/dtype.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import type { Graph } from '../../src/ir.ts';
import type { TensorData } from '../../src/tensor.ts';

export type Feeds = Readonly<Record<string, TensorData>>;

/** What ONNX Runtime makes of the bytes of a model. */
export async function runBytes(model: Uint8Array, feeds: Feeds): Promise<Record<string, TensorData>> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  try {
    const given = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      new Tensor(dtype as Tensor.Type, data as never, shape),
    ]);
    const results = await session.run(Object.fromEntries(given) as Record<string, Tensor>);
    return Object.fromEntries(session.outputNames.map((name) => [name, fromRuntime(results[name] as Tensor)]));
  } finally {
    await session.release();
  }
}

/** What ONNX Runtime makes of a graph. */
export async function onRuntime(graph: Graph, feeds: Feeds): Promise<Record<string, TensorData>> {
  return runBytes((await writeOnnx(graph)).model, feeds);
}

function fromRuntime({ type, dims, data }: Tensor): TensorData {
  const { array } = DTYPES[type as DType];
  const { buffer, byteOffset, byteLength } = data as TypedArray;
  return {
    dtype: type as DType,
    shape: [...dims],
    data: new array(buffer, byteOffset, byteLength / array.BYTES_PER_ELEMENT),
  };
}
