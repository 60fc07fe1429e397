import { type DType, GraphError } from '@anneal/graph';
import { type EdgeType, isEdgeType } from './edge-types.ts';

/**
 * Refuses a type that the runtime cannot hand over: an int4 output would end the process, bfloat16 and 8-bit floats
 * fail with a number for a name.
 *
 * @throws GraphError `ANNEAL_E_DTYPE`
 */
export function checkEdgeType(what: string, dtype: DType): asserts dtype is EdgeType {
  if (isEdgeType(dtype)) return;
  throw new GraphError('ANNEAL_E_DTYPE', `${what} is ${dtype}, which onnxruntime-node cannot take or give`, {
    fix: 'use float32 at the edge of the graph and cast inside',
  });
}
