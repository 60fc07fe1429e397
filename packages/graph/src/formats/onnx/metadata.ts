import { create } from '@bufbuild/protobuf';
import { type StringStringEntryProto, StringStringEntryProtoSchema } from './proto/onnx_pb.ts';

/**
 * Facts that ONNX has no field for, in `metadata_props` of nodes and initializers (IR version 10 and newer). Each is
 * written only where a reader would not come to the same conclusion without it.
 */
export const META = {
  /** Initializer: the name of the parameter, where the tensor's name had to differ. */
  name: 'anneal.name',
  /** Initializer: `parameter` or `constant`. */
  kind: 'anneal.kind',
  trainable: 'anneal.trainable',
  transposed: 'anneal.transposed',
  /** Node: the module path. */
  scope: 'anneal.scope',
  /** Node: only there because ONNX wants every output to have a name of its own. */
  alias: 'anneal.alias',
} as const;

export function toProps(entries: Readonly<Record<string, string | undefined>>): StringStringEntryProto[] {
  const props: StringStringEntryProto[] = [];
  for (const [key, value] of Object.entries(entries)) {
    if (value !== undefined) props.push(create(StringStringEntryProtoSchema, { key, value }));
  }
  return props;
}

export function fromProps(props: readonly StringStringEntryProto[]): Record<string, string> {
  return Object.fromEntries(props.map(({ key, value }) => [key, value]));
}

/** Constants of at most this many bytes are constants when a file does not say what an initializer is. */
const SMALL_BYTES = 1024;

/**
 * Whether an initializer of unknown origin is a parameter: everything above 1 KiB, and float tensors with at least one
 * axis (biases and scales). Scalars and short integer vectors (shapes, axes, indices) are constants.
 */
export function looksLikeParameter(float: boolean, rank: number, bytes: number): boolean {
  return bytes > SMALL_BYTES || (float && rank > 0);
}
