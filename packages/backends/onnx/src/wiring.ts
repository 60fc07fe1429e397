import { type CompileOptions, type Graph, GraphError, type TensorSpec, type Value } from '@anneal/graph';
import { checkEdgeType, fitsShape, staticSpec } from './interface.ts';
import type { OutputSpec } from './protocol.ts';
import { overwritable } from './overwrite.ts';

/** What is to be known of a state. */
export interface StateFacts {
  readonly names: readonly string[];
  readonly specs: ReadonlyMap<string, TensorSpec>;
}

/** How the inputs and outputs of a graph are tied to a state. */
export interface Wiring {
  /** Inputs that the caller feeds. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** Inputs that the state feeds. */
  readonly stateInputs: readonly string[];
  readonly outputs: readonly OutputSpec[];
}

/**
 * @throws GraphError `ANNEAL_E_BACKEND` when `updates` or `guard` name what is not there, `ANNEAL_E_DTYPE` or
 * `ANNEAL_E_SHAPE` when types do not fit.
 */
export function wire(graph: Graph, state: StateFacts | undefined, options: CompileOptions, label: string): Wiring {
  const inputs = new Map<string, Value>();
  const stateInputs: string[] = [];
  for (const [name, value] of graph.inputs) {
    checkEdgeType(`"${label}": the input "${name}"`, value.dtype);
    if (state?.specs.has(name)) {
      checkState(label, state, name, value);
      stateInputs.push(name);
    } else inputs.set(name, value);
  }
  return { inputs, stateInputs, outputs: outputSpecs(graph, state, options, label) };
}

function outputSpecs(
  graph: Graph,
  state: StateFacts | undefined,
  { updates = {}, guard, inPlace = false }: CompileOptions,
  label: string,
): OutputSpec[] {
  if (inPlace && guard !== undefined) throw fail(label, '`inPlace` and `guard` exclude each other');
  const targets = new Map<string, string>();
  for (const [output, entry] of Object.entries(updates)) {
    const value = outputOf(graph, output, '`updates`', label);
    if (state === undefined) throw fail(label, '`updates` need a `state`', { fix: 'pass `state` too' });
    if (!state.specs.has(entry)) {
      throw fail(label, `the state has no entry "${entry}"`, { fix: `it has ${state.names.join(', ')}` });
    }
    const other = targets.get(entry);
    if (other !== undefined) throw fail(label, `"${other}" and "${output}" both replace the entry "${entry}"`);
    targets.set(entry, output);
    checkState(label, state, entry, value);
  }
  if (guard !== undefined) checkGuard(outputOf(graph, guard, '`guard`', label), guard, updates, label);
  const overwrites = inPlace ? overwritable(graph, updates) : new Set<string>();
  return [...graph.outputs].map(([name, value]) => {
    const { dtype } = value;
    checkEdgeType(`"${label}": the output "${name}"`, dtype);
    const update = Object.hasOwn(updates, name) ? updates[name] : undefined;
    return { name, dtype, shape: staticSpec(value)?.shape, update, inPlace: overwrites.has(name) };
  });
}

function outputOf(graph: Graph, name: string, what: string, label: string): Value {
  const value = graph.outputs.get(name);
  if (value !== undefined) return value;
  const fix = `its outputs are ${[...graph.outputs.keys()].join(', ')}`;
  throw fail(label, `${what} names the output "${name}", which the graph does not have`, { fix });
}

function checkGuard({ dtype, shape }: Value, name: string, updates: object, label: string): void {
  if (Object.hasOwn(updates, name)) throw fail(label, `the guard "${name}" cannot be an update`);
  if (shape.every((dim) => dim === 1) && (dtype === 'float32' || dtype === 'float64')) return;
  const received = `${dtype}[${shape.join(', ')}]`;
  throw fail(label, `the guard "${name}" must be a float32 or float64 scalar, received ${received}`);
}

function fail(label: string, message: string, details: { readonly fix?: string } = {}): GraphError {
  return new GraphError('ANNEAL_E_BACKEND', `"${label}": ${message}`, { ...details, at: { program: label } });
}

function checkState(label: string, { specs }: Pick<StateFacts, 'specs'>, name: string, { dtype, shape }: Value): void {
  const entry = specs.get(name) as TensorSpec;
  if (entry.dtype === dtype && fitsShape(entry.shape, shape)) return;
  throw new GraphError(
    'ANNEAL_E_SHAPE',
    `"${label}": the state "${name}" is ${entry.dtype}[${entry.shape.join(', ')}], the graph has ${dtype}[${shape.join(', ')}]`,
    { at: { program: label, entry: name } },
  );
}
