import { checkWiring, type CompileOptions, type Graph, staticSpec, type TensorSpec, type Value } from '@anneal/graph';
import { checkEdgeType } from './interface.ts';
import type { OutputSpec } from './protocol.ts';
import { overwritable } from './overwrite.ts';

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
 * `ANNEAL_E_SHAPE` when types do not fit or the runtime cannot hand them over.
 */
export function wire(
  graph: Graph,
  state: { readonly specs: ReadonlyMap<string, TensorSpec> } | undefined,
  options: CompileOptions,
  label: string,
): Wiring {
  for (const [name, { dtype }] of graph.inputs) checkEdgeType(`"${label}": the input "${name}"`, dtype);
  const inputs = checkWiring(graph, state?.specs, options, label);
  const stateInputs = [...graph.inputs.keys()].filter((name) => !inputs.has(name));
  return { inputs, stateInputs, outputs: outputSpecs(graph, options, label) };
}

function outputSpecs(graph: Graph, { updates = {}, inPlace = false }: CompileOptions, label: string): OutputSpec[] {
  const overwrites = inPlace ? overwritable(graph, updates) : new Set<string>();
  return [...graph.outputs].map(([name, value]) => {
    const { dtype } = value;
    checkEdgeType(`"${label}": the output "${name}"`, dtype);
    const update = Object.hasOwn(updates, name) ? updates[name] : undefined;
    return { name, dtype, shape: staticSpec(value)?.shape, update, inPlace: overwrites.has(name) };
  });
}
