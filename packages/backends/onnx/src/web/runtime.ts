import { GraphError, type TensorData, type TypedArray } from '@anneal/graph';
import type * as Runtime from 'onnxruntime-web/wasm';
import { EDGE_ARRAYS, type EdgeType } from '../edge-types.ts';
import type { EntrySpec } from '../protocol.ts';

export type { Runtime };

/** Loads ONNX Runtime Web. @throws GraphError `ANNEAL_E_BACKEND` when it is not installed or cannot be loaded. */
export async function loadRuntime(): Promise<typeof Runtime> {
  try {
    return await import('onnxruntime-web/wasm');
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new GraphError('ANNEAL_E_BACKEND', `onnxruntime-web cannot be loaded: ${message}`, {
      fix: 'npm install onnxruntime-web@1.30.0',
      cause,
    });
  }
}

export function toTensor({ Tensor }: typeof Runtime, { dtype, shape, data }: TensorData): Runtime.Tensor {
  return new Tensor(dtype as Runtime.Tensor.Type, data as Runtime.Tensor.DataType, shape);
}

export function toData({ type, dims, data }: Runtime.Tensor): TensorData {
  // Where there is a Float16Array the runtime gives 16-bit floats in one; for us they are their bits.
  const isHalf = type === 'float16' && !(data instanceof Uint16Array);
  const { buffer, byteOffset, length } = data as Uint16Array;
  const own = isHalf ? new Uint16Array(buffer, byteOffset, length) : data;
  return { dtype: type as EdgeType, shape: [...dims], data: own as TypedArray };
}

/** Zeros. */
export function blank(runtime: typeof Runtime, { dtype, shape }: EntrySpec): Runtime.Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return toTensor(runtime, { dtype, shape, data: new EDGE_ARRAYS[dtype](size) });
}

export function copyOf({ dtype, shape, data }: TensorData): TensorData {
  return { dtype, shape: [...shape], data: data.slice() };
}

/** The runtime's error without what its JavaScript part puts around it. */
export function plainError(error: unknown): unknown {
  const [, message] = (error instanceof Error && /ERROR_MESSAGE: (.*)$/s.exec(error.message)) || [];
  return message === undefined ? error : new Error(message, { cause: error });
}
