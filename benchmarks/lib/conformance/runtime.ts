import { DTYPES, type DType, type TensorData, type TypedArray } from '@anneal/graph';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const OPTIONS: InferenceSession.SessionOptions = { logSeverityLevel: 4, intraOpNumThreads: 1 };

/** Runs a model once, with its inputs by position. */
export async function runModel(
  model: string | Uint8Array,
  inputs: readonly TensorData[],
): Promise<Readonly<Record<string, TensorData>>> {
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, OPTIONS)
    : InferenceSession.create(model, OPTIONS));
  try {
    const feeds = Object.fromEntries(
      session.inputNames.slice(0, inputs.length).map((name, i) => [name, toRuntime(inputs[i] as TensorData)]),
    );
    const results = await session.run(feeds);
    return Object.fromEntries(session.outputNames.map((name) => [name, fromRuntime(results[name] as Tensor)]));
  } finally {
    await session.release();
  }
}

function toRuntime({ dtype, shape, data }: TensorData): Tensor {
  return new Tensor(dtype as Tensor.Type, data as never, shape);
}

function fromRuntime({ type, dims, data }: Tensor): TensorData {
  if (!(type in DTYPES) || Array.isArray(data)) throw new Error(`an output of type ${type}`);
  const dtype = type as DType;
  const { array } = DTYPES[dtype];
  const { buffer, byteOffset, byteLength } = data as TypedArray;
  return { dtype, shape: [...dims], data: new array(buffer, byteOffset, byteLength / array.BYTES_PER_ELEMENT) };
}
