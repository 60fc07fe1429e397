import { isFloat } from '../dtype.ts';
import { GraphError } from '../error.ts';
import type { Graph, Node, Value } from '../ir.ts';
import { isLazy, loadTensor, type TensorData, type TensorSource } from '../tensor.ts';
import { load, type NdArray, roundTo, store } from './array.ts';
import { kernelOf } from './kernels/index.ts';
import type { Result } from './kernel.ts';

/** How the interpreter computes. */
export interface EvaluateOptions {
  /**
   * `graph`: every value is rounded to its dtype, as a runtime stores it. `float64`: floats keep double precision from
   * feeds to outputs, whatever their dtype; outputs are float64. For finite differences. @defaultValue `'graph'`
   */
  readonly precision?: 'graph' | 'float64' | undefined;
}

/** Rounds a kernel's result to the dtype that inference gave the output. */
function settle({ shape, data }: Result, { dtype }: Value, precision: EvaluateOptions['precision']): NdArray {
  const keep = precision === 'float64' && isFloat(dtype);
  return { dtype, shape, data: keep ? data : roundTo(dtype, data) };
}

/**
 * Computes one node from its inputs; `undefined` where it has no output. Reference semantics, in doubles.
 *
 * @throws GraphError `ANNEAL_E_OP` when the interpreter does not know the operator.
 */
export function evaluateNode(
  node: Node,
  inputs: readonly (NdArray | undefined)[],
  opsets: Graph['opsets'],
  options: EvaluateOptions = {},
): readonly (NdArray | undefined)[] {
  const kernel = kernelOf(node.domain, node.op);
  if (kernel === undefined) {
    throw new GraphError('ANNEAL_E_OP', `the interpreter has no kernel for ${node.op} of domain "${node.domain}"`, {
      at: node.scope === '' ? undefined : { module: node.scope },
    });
  }
  const computed = kernel({ node, inputs, opset: opsets[node.domain] ?? 1 });
  const results: readonly Result[] = 'data' in computed ? [computed] : computed;
  return node.outputs.map((value, i) => {
    if (value === undefined) return undefined;
    const result = results[i];
    if (result === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: output ${i} is not computed`);
    if (!fits(value.shape, result.shape)) {
      throw new GraphError(
        'ANNEAL_E_SHAPE',
        `${node.op}: "${value.name}" should be [${value.shape.join(', ')}], its computation gives [${result.shape}]`,
        { at: node.scope === '' ? undefined : { module: node.scope } },
      );
    }
    return settle(result, value, options.precision);
  });
}

function fits(declared: Value['shape'], actual: readonly number[]): boolean {
  return declared.length === actual.length && declared.every((dim, i) => typeof dim === 'string' || dim === actual[i]);
}

/** Checks the feeds against the graph's inputs and returns them as arrays. */
function loadFeeds(
  graph: Graph,
  feeds: Readonly<Record<string, TensorData>>,
  options: EvaluateOptions,
): Map<Value, NdArray> {
  for (const name of Object.keys(feeds)) {
    if (!graph.inputs.has(name)) {
      throw new GraphError('ANNEAL_E_GRAPH', `graph "${graph.name}" has no input "${name}"`, {
        fix: `inputs are: ${[...graph.inputs.keys()].join(', ')}`,
      });
    }
  }
  const values = new Map<Value, NdArray>();
  const symbols = new Map<string, number>();
  for (const [name, value] of graph.inputs) {
    const fed = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
    if (fed === undefined) throw new GraphError('ANNEAL_E_GRAPH', `graph "${graph.name}": input "${name}" is not fed`);
    const asFloat64 = options.precision === 'float64' && fed.dtype === 'float64' && isFloat(value.dtype);
    if (fed.dtype !== value.dtype && !asFloat64) {
      throw new GraphError('ANNEAL_E_DTYPE', `input "${name}" is ${value.dtype}, received ${fed.dtype}`);
    }
    const agree = value.shape.every((dim, i) => {
      if (typeof dim === 'number') return true;
      const size = symbols.get(dim) ?? fed.shape[i] ?? 0;
      symbols.set(dim, size);
      return size === fed.shape[i];
    });
    if (!agree || !fits(value.shape, fed.shape)) {
      const wanted = value.shape.map((dim) => (typeof dim === 'string' ? `${dim}=${symbols.get(dim)}` : dim));
      throw new GraphError('ANNEAL_E_SHAPE', `input "${name}" is [${wanted.join(', ')}], received [${fed.shape}]`);
    }
    values.set(value, { ...load(fed), dtype: value.dtype });
  }
  return values;
}

function inMemory(name: string, data: TensorSource): TensorData {
  if (!isLazy(data)) return data;
  throw new GraphError('ANNEAL_E_GRAPH', `parameter "${name}" is not in memory`, {
    fix: 'use interpret(), which reads it',
  });
}

/**
 * Runs a graph whose parameters are in memory: slow, obvious, in doubles; the oracle that everything else is checked
 * against. Every value is rounded to its dtype when it is stored.
 *
 * @throws GraphError `ANNEAL_E_GRAPH`, `ANNEAL_E_DTYPE` or `ANNEAL_E_SHAPE` when feeds do not fit, `ANNEAL_E_OP` when an
 * operator is not known.
 */
export function evaluate(
  graph: Graph,
  feeds: Readonly<Record<string, TensorData>>,
  options: EvaluateOptions = {},
): Record<string, TensorData> {
  const values = loadFeeds(graph, feeds, options);
  for (const [name, { value, data }] of graph.parameters) values.set(value, load(inMemory(name, data)));
  for (const [value, data] of graph.constants) values.set(value, load(data));
  const kept = new Set(graph.outputs.values());
  const lastUse = new Map<Value, Node>();
  for (const node of graph.nodes) for (const value of node.inputs) if (value) lastUse.set(value, node);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => value && valueOf(values, value));
    const outputs = evaluateNode(node, inputs, graph.opsets, options);
    node.outputs.forEach((value, i) => {
      const result = outputs[i];
      if (value && result) values.set(value, result);
    });
    for (const value of node.inputs) if (value && lastUse.get(value) === node && !kept.has(value)) values.delete(value);
  }
  return Object.fromEntries([...graph.outputs].map(([name, value]) => [name, out(valueOf(values, value), options)]));
}

function valueOf(values: ReadonlyMap<Value, NdArray>, value: Value): NdArray {
  const found = values.get(value);
  if (found === undefined) {
    throw new GraphError('ANNEAL_E_GRAPH', `"${value.name}" is used before anything computes it`);
  }
  return found;
}

function out(array: NdArray, { precision }: EvaluateOptions): TensorData {
  return store(precision === 'float64' && isFloat(array.dtype) ? { ...array, dtype: 'float64' } : array);
}

/** As {@link evaluate}; reads lazy parameters first. */
export async function interpret(
  graph: Graph,
  feeds: Readonly<Record<string, TensorData>>,
  options: EvaluateOptions = {},
): Promise<Record<string, TensorData>> {
  const parameters = new Map(graph.parameters);
  for (const [name, parameter] of parameters) {
    parameters.set(name, { ...parameter, data: await loadTensor(parameter.data) });
  }
  return evaluate({ ...graph, parameters }, feeds, options);
}
