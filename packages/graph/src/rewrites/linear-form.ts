import type { GraphBuilder } from '../builder.ts';
import { DTYPES } from '../dtype.ts';
import { usedBy } from '../inner-graphs.ts';
import { attr, type Graph, type Node, type Parameter, type Value } from '../ir.ts';
import { loadTensor, type TensorData } from '../tensor.ts';
import { rewrite } from '../transform.ts';

/**
 * The graph with its linear layers in the form that adapters, quantization and pruning work on ({@link linearLayers}):
 * `MatMul` with a weight `[in, out]`, and `Add`.
 *
 * - `Gemm` of a weight becomes `MatMul` and `Add`.
 * - A weight `[out, in]` that is only ever used transposed, by `Gemm` or by a `Transpose` that the exporter did not fold,
 *   is transposed now. These are the only weights that are read; the others stay where they are.
 */
export async function linearForm(graph: Graph): Promise<Graph> {
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  const turned = turnedWeights(graph, names);
  const data = new Map<string, TensorData>();
  for (const name of turned)
    data.set(name, transposed(await loadTensor((graph.parameters.get(name) as Parameter).data)));
  return rewrite(graph, {
    parameter: (name, parameter, g) => {
      const own = data.get(name);
      const { trainable } = parameter;
      return own && g.parameter(name, own, { trainable, transposed: !parameter.transposed });
    },
    node: (node, inputs, g) => {
      const weight = node.inputs.map((value) => value && names.get(value));
      if (isTranspose(node) && turned.has(weight[0] ?? '')) return [inputs[0]];
      if (!isPlainGemm(node) || weight[1] === undefined) return undefined;
      const isTurned = turned.has(weight[1]);
      if (attr.int(node, 'transB', 0) === 1 && !isTurned) return undefined;
      return [product(g, node, inputs)];
    },
  });
}

function product(g: GraphBuilder, node: Node, [x, weight, bias]: readonly (Value | undefined)[]): Value {
  const { scope } = node;
  const name = node.outputs[0]?.name;
  const y = g.one('MatMul', [x, weight], { scope, names: bias ? [] : [name] });
  return bias ? g.one('Add', [y, bias], { scope, names: [name] }) : y;
}

/** `x W + b` without factors. */
function isPlainGemm(node: Node): boolean {
  if (node.op !== 'Gemm' || node.domain !== '' || attr.int(node, 'transA', 0) !== 0) return false;
  return attr.float(node, 'alpha', 1) === 1 && attr.float(node, 'beta', 1) === 1;
}

function isTranspose(node: Node): boolean {
  return node.op === 'Transpose' && node.domain === '' && (attr.ints(node, 'perm') ?? [1, 0]).join() === '1,0';
}

/** Names of the matrices that every use turns round. */
function turnedWeights(graph: Graph, names: ReadonlyMap<Value, string>): ReadonlySet<string> {
  const turned = new Set<string>();
  const straight = new Set<string>();
  for (const node of graph.nodes) {
    usedBy(node).forEach((value, index) => {
      const name = value && names.get(value);
      if (value === undefined || name === undefined) return;
      const isGemm = index === 1 && isPlainGemm(node) && attr.int(node, 'transB', 0) === 1;
      const fits = value.rank === 2 && DTYPES[value.dtype].bits >= 8;
      (fits && (isGemm || isTranspose(node)) ? turned : straight).add(name);
    });
  }
  for (const value of graph.outputs.values()) straight.add(names.get(value) ?? '');
  return new Set([...turned].filter((name) => !straight.has(name)));
}

function transposed({ dtype, shape, data }: TensorData): TensorData {
  const [rows, columns] = shape as [number, number];
  const out = data.slice();
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j] as number;
  return { dtype, shape: [columns, rows], data: out };
}
