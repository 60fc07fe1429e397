import { type Graph, rewrite, type TensorData, withParameters } from '@anneal/graph';

import { isUpdateSum, parameterData } from './adapters.ts';
import { addProduct, matrix, stretchColumns } from './columns.ts';
import { type Adapter, adapterStateOf, adapterWeights, withAdapterState } from './state.ts';

/** The graph with every adapter folded into its weight: `W + scale · A B`, stretched by DoRA's magnitudes. */
export async function foldAdapters(graph: Graph): Promise<Graph> {
  const state = adapterStateOf(graph);
  if (state === undefined) return graph;
  const { adapters, dora } = state;
  const folded = new Map<string, TensorData>();
  for (const adapter of adapters) {
    const name = `${adapter.path}.weight`;
    folded.set(name, await foldWeight(graph, adapter, dora));
  }
  // The sum at the end of each adapter becomes its first operand; what fed the second is then dead and goes.
  const plain = rewrite(graph, {
    node: (node, inputs) => (adapters.some((adapter) => isUpdateSum(node, adapter)) ? [inputs[0]] : undefined),
  });
  const weights = withParameters(plain, (name) => {
    const data = folded.get(name);
    return data && { data };
  });
  return withAdapterState(weights, undefined);
}

async function foldWeight(graph: Graph, adapter: Adapter, dora: boolean): Promise<TensorData> {
  const names = adapterWeights(adapter);
  const weight = await parameterData(graph, `${adapter.path}.weight`);
  const sum = addProduct(
    weight,
    await parameterData(graph, names.a),
    await parameterData(graph, names.b),
    adapter.scale,
  );
  return matrix(weight.shape, dora ? stretchColumns(sum, await parameterData(graph, names.magnitude)) : sum);
}
