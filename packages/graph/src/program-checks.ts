import type { CompileOptions, Tensors, TensorSpec } from './backend.ts';
import { DTYPES } from './dtype.ts';
import { GraphError } from './error.ts';
import type { Graph, Value } from './ir.ts';
import { sizeOf, type TensorData } from './tensor.ts';

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
  // A runtime trusts the shape and would read past a shorter array.
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

/**
 * What ties a graph to a state, checked; returns the inputs that the caller feeds.
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when `updates` or `guard` name what is not there, `ANNEAL_E_DTYPE` or
 * `ANNEAL_E_SHAPE` when types do not fit.
 */
export function checkWiring(
  graph: Graph,
  state: ReadonlyMap<string, TensorSpec> | undefined,
  { updates = {}, guard, inPlace = false }: CompileOptions,
  label: string,
): ReadonlyMap<string, Value> {
  if (inPlace && guard !== undefined) throw fail(label, '`inPlace` and `guard` exclude each other');
  const inputs = new Map<string, Value>();
  for (const [name, value] of graph.inputs) {
    const entry = state?.get(name);
    if (entry === undefined) inputs.set(name, value);
    else checkEntry(label, entry, name, value);
  }
  const targets = new Map<string, string>();
  for (const [output, name] of Object.entries(updates)) {
    const value = outputOf(graph, output, '`updates`', label);
    if (state === undefined) throw fail(label, '`updates` need a `state`', 'pass `state` too');
    const entry = state.get(name);
    if (entry === undefined) {
      throw fail(label, `the state has no entry "${name}"`, `it has ${[...state.keys()].join(', ')}`);
    }
    const other = targets.get(name);
    if (other !== undefined) throw fail(label, `"${other}" and "${output}" both replace the entry "${name}"`);
    targets.set(name, output);
    checkEntry(label, entry, name, value);
  }
  if (guard !== undefined) checkGuard(outputOf(graph, guard, '`guard`', label), guard, updates, label);
  return inputs;
}

function outputOf(graph: Graph, name: string, what: string, label: string): Value {
  const value = graph.outputs.get(name);
  if (value !== undefined) return value;
  const fix = `its outputs are ${[...graph.outputs.keys()].join(', ')}`;
  throw fail(label, `${what} names the output "${name}", which the graph does not have`, fix);
}

function checkGuard({ dtype, shape }: Value, name: string, updates: object, label: string): void {
  if (Object.hasOwn(updates, name)) throw fail(label, `the guard "${name}" cannot be an update`);
  if (shape.every((dim) => dim === 1) && (dtype === 'float32' || dtype === 'float64')) return;
  const received = `${dtype}[${shape.join(', ')}]`;
  throw fail(label, `the guard "${name}" must be a float32 or float64 scalar, received ${received}`);
}

function checkEntry(label: string, entry: TensorSpec, name: string, { dtype, shape }: Value): void {
  if (entry.dtype === dtype && fitsShape(entry.shape, shape)) return;
  throw new GraphError(
    'ANNEAL_E_SHAPE',
    `"${label}": the state "${name}" is ${entry.dtype}[${entry.shape.join(', ')}], the graph has ${dtype}[${shape.join(', ')}]`,
    { at: { program: label, entry: name } },
  );
}

function fail(label: string, message: string, fix?: string): GraphError {
  return new GraphError('ANNEAL_E_BACKEND', `"${label}": ${message}`, { fix, at: { program: label } });
}
