import { clone, create } from '@bufbuild/protobuf';
import { formatError } from '../error.ts';
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  GraphProtoSchema,
  type NodeProto,
  NodeProtoSchema,
} from './proto/onnx_pb.ts';

/** One Scan over the elements of a batch, and within it the one that each element goes through. */
export interface BatchScan {
  readonly all: NodeProto;
  readonly each: NodeProto;
}

/**
 * Scan before operator set 9: its first input are the lengths of sequences, the others have a batch axis in front. The
 * same is a Scan without states over that axis, whose body is a Scan of the present form.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` where sequences have lengths of their own.
 */
export function overBatch(proto: NodeProto, place: { file: string; node: string }): BatchScan {
  const [lengths, ...given] = proto.input;
  if (lengths !== '') {
    throw formatError(place, 'Scan with a length for each sequence went with operator set 9', {
      fix: 'export the model with a newer operator set',
    });
  }
  const inputs = given.map((_, i) => `${place.node}/element_in_${i}`);
  const outputs = proto.output.map((_, i) => `${place.node}/element_out_${i}`);
  const each = clone(NodeProtoSchema, proto);
  each.input = inputs;
  each.output = outputs;
  for (const attribute of each.attribute) {
    if (attribute.name === 'directions') attribute.name = 'scan_input_directions';
  }
  const body = create(GraphProtoSchema, {
    name: 'element',
    input: inputs.map((name) => ({ name })),
    node: [each],
    output: outputs.map((name) => ({ name })),
  });
  const all = clone(NodeProtoSchema, proto);
  all.input = given;
  all.attribute = [
    create(AttributeProtoSchema, { name: 'num_scan_inputs', type: Kind.INT, i: BigInt(given.length) }),
    create(AttributeProtoSchema, { name: 'body', type: Kind.GRAPH, g: body }),
  ];
  return { all, each };
}
