import { fromBinary } from '@bufbuild/protobuf';
import type { TensorData } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { tensorOf } from './from-proto.ts';
import { TensorProtoSchema } from './proto/onnx_pb.ts';

/**
 * Reads a tensor that is a file of its own (`TensorProto`), as the `input_0.pb` of ONNX's test data are. `name` is what
 * errors call it.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when it is damaged or of an element type that is not supported.
 */
export function decodeOnnxTensor(bytes: Uint8Array, name: string = 'tensor.pb'): TensorData {
  let proto;
  try {
    proto = fromBinary(TensorProtoSchema, bytes);
  } catch (error) {
    throw formatError({ file: name }, 'not a tensor of ONNX', { cause: error });
  }
  return tensorOf(proto, { file: name, tensor: proto.name });
}
