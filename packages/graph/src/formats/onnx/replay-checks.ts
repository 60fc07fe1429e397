import { GraphError } from '../../error.ts';
import type { Dim, Value } from '../../ir.ts';
import { formatError } from '../error.ts';
import { MAX_RANK } from './from-proto.ts';
import type { GraphProto, NodeProto } from './proto/onnx_pb.ts';

/** Inference joins the symbols that meet; a crafted graph would make them longer and longer. */
const MAX_SYMBOL = 1024;

/** Nodes of a graph and of the graphs within. */
export function countNodes(nodes: readonly NodeProto[]): number {
  let count = nodes.length;
  for (const { attribute } of nodes) for (const { g } of attribute) if (g) count += countNodes(g.node);
  return count;
}

/** A sparse tensor may stand for any number of elements, whatever the size of the file. */
export function refuseSparse({ sparseInitializer }: GraphProto, place: { file: string; node?: string }): void {
  const [first] = sparseInitializer;
  if (first === undefined) return;
  throw formatError({ ...place, tensor: first.values?.name }, 'sparse initializers are not supported', {
    fix: 'make the tensor dense before the model is exported',
  });
}

/** Refuses types that would make every later step slow. */
export function checkType({ shape }: Value, place: { file: string; node: string }): void {
  if (shape.length > MAX_RANK) throw formatError(place, `an output has ${shape.length} axes, at most ${MAX_RANK}`);
  if (shape.some((dim: Dim) => typeof dim === 'string' && dim.length > MAX_SYMBOL)) {
    throw formatError(place, 'the shape of an output is too complicated');
  }
}

/** Adds file and node to an error of the builder, and gives any other error a code. */
export function located(error: unknown, place: { file: string; node: string }): GraphError {
  if (!(error instanceof GraphError)) {
    return formatError(place, `the node is not valid: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (error.at?.['file'] !== undefined) return error;
  return new GraphError(error.code, `${place.file}, node "${place.node}": ${error.message}`, {
    fix: error.fix,
    at: { ...error.at, ...place },
    cause: error.cause,
  });
}
