import {
  type DType,
  DTYPES,
  GraphError,
  sizeOf,
  type TensorData,
  type Tensors,
  type TensorSpec,
  type Value,
} from '@anneal/graph';
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

/** The static type of a value, or `undefined` where a dimension is symbolic. */
export function staticSpec({ dtype, shape }: Value): TensorSpec | undefined {
  return shape.every((dim) => typeof dim === 'number') ? { dtype, shape: shape as readonly number[] } : undefined;
}

/** Whether a static shape can be that of a value. */
export function fitsShape(given: readonly number[], expected: Value['shape']): boolean {
  return given.length === expected.length && expected.every((dim, i) => typeof dim === 'string' || dim === given[i]);
}

/** @throws GraphError `ANNEAL_E_DTYPE` or `ANNEAL_E_SHAPE` when a tensor cannot be the value that it is meant for. */
export function checkTensor(what: string, given: TensorData, { dtype, shape }: Pick<Value, 'dtype' | 'shape'>): void {
  if (given.dtype !== dtype) {
    throw new GraphError('ANNEAL_E_DTYPE', `${what} must be ${dtype}, received ${given.dtype}`);
  }
  const received = `[${given.shape.join(', ')}]`;
  if (!fitsShape(given.shape, shape)) {
    throw new GraphError('ANNEAL_E_SHAPE', `${what} must have the shape [${shape.join(', ')}], received ${received}`);
  }
  // The runtime trusts the shape and would read past a shorter array.
  const { array } = DTYPES[dtype];
  if (!(given.data instanceof array) || given.data.length !== sizeOf(given.shape)) {
    const { constructor, length } = given.data;
    throw new GraphError(
      'ANNEAL_E_SHAPE',
      `${what}: ${dtype}${received} takes ${sizeOf(given.shape)} elements, its data is a ${constructor.name} of ${length}`,
    );
  }
}

/**
 * @throws GraphError `ANNEAL_E_BACKEND` when an input is missing or unknown, `ANNEAL_E_DTYPE` or `ANNEAL_E_SHAPE` when
 * one does not fit.
 */
export function checkFeeds(label: string, inputs: ReadonlyMap<string, Value>, feeds: Tensors): void {
  for (const [name, value] of inputs) {
    const given = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
    if (given === undefined) {
      throw new GraphError('ANNEAL_E_BACKEND', `"${label}": the input "${name}" is not given`, {
        fix: `feed ${value.dtype}[${value.shape.join(', ')}] as \`${name}\``,
        at: { program: label, input: name },
      });
    }
    checkTensor(`"${label}": the input "${name}"`, given, value);
  }
  for (const name of Object.keys(feeds)) {
    if (inputs.has(name)) continue;
    throw new GraphError('ANNEAL_E_BACKEND', `"${label}" has no input "${name}"`, {
      fix: `its inputs are ${[...inputs.keys()].join(', ') || 'none'}`,
      at: { program: label, input: name },
    });
  }
}
