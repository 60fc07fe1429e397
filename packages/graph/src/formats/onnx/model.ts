import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ByteSource } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { DecodeBudget } from './budget.ts';
import { type ModelProto, ModelProtoSchema } from './proto/onnx_pb.ts';

/**
 * Decodes a whole model, weights included, as the messages of the ONNX schema. For edits that must keep everything else
 * in the file: fields that the schema does not know are kept, and written again by {@link encodeOnnx}.
 *
 * @throws GraphError `ANNEAL_E_FORMAT`
 */
export async function decodeOnnx(source: ByteSource): Promise<ModelProto> {
  const bytes = await source.read(0, source.size);
  new DecodeBudget(source).check(ModelProtoSchema, bytes);
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw formatError({ file: source.name }, 'not an ONNX model', { cause: error });
  }
}

/** The bytes of a model. What was decoded and not changed is written as it was. */
export function encodeOnnx(model: ModelProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, model);
}
