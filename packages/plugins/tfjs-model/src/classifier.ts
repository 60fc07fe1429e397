import { AnnealError } from '@anneal/core';
import { type Dim, type Graph, GraphBuilder, inline, type Value } from '@anneal/graph';

/**
 * The graph with `logits` for these classes in place of its output: what comes before the softmax that models of
 * TensorFlow.js end with. One sigmoid is two classes. `known` are the classes of the model, in order.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when no output gives numbers for classes, or not for these.
 */
export function asClassifier(graph: Graph, wanted: readonly string[], known: readonly string[] | undefined): Graph {
  const output = classOutput(graph);
  const last = graph.nodes.find(({ outputs }) => outputs.includes(output));
  const isSingle = output.shape[1] === 1;
  const isProbability = isSingle ? last?.op === 'Sigmoid' : last?.op === 'Softmax';
  const source = isProbability ? (last?.inputs[0] as Value) : output;
  const columns = columnsOf(isSingle ? 2 : output.shape[1], wanted, known);
  const g = new GraphBuilder();
  const { logits } = inline(g, { ...graph, outputs: new Map([['logits', source]]) }) as { logits: Value };
  const both = isSingle ? g.ops.concat([g.ops.mul(logits, 0), logits], { axis: 1 }) : logits;
  g.output('logits', columns === undefined ? both : g.ops.take(both, g.ints(columns), { axis: 1 }));
  return g.build(graph);
}

/** The output that gives numbers for classes. */
function classOutput({ outputs }: Graph): Value {
  const fitting = [...outputs].filter(([, { dtype, rank }]) => dtype === 'float32' && rank === 2);
  const [, own] = fitting.find(([name]) => name === 'logits') ?? (fitting.length === 1 ? fitting[0] : undefined) ?? [];
  if (own !== undefined) return own;
  const received = [...outputs].map(([name, { shape }]) => `${name} [${shape.join(', ')}]`).join('; ');
  throw new AnnealError('ANNEAL_E_MODEL', `the task classifies, and no one output is [batch, classes]: ${received}`, {
    path: ['outputs'],
    fix: 'name the output that gives the classes: outputs: [ … ]',
  });
}

/** Where the wanted classes are among those of the model; `undefined` where they are the same. */
function columnsOf(
  count: Dim | undefined,
  wanted: readonly string[],
  known: readonly string[] | undefined,
): readonly number[] | undefined {
  if (known === undefined) {
    if (count === wanted.length) return undefined;
    throw new AnnealError('ANNEAL_E_MODEL', `the model has ${count} classes, the task ${wanted.length}`, {
      path: ['labels'],
      fix: 'name the classes of the model, in order: labels: [ … ]',
    });
  }
  if (known.length !== count) {
    throw new AnnealError('ANNEAL_E_MODEL', `the model gives ${count} numbers, received ${known.length} class names`, {
      path: ['labels'],
    });
  }
  const columns = wanted.map((label) => known.indexOf(label));
  const missing = wanted.filter((_, i) => columns[i] === -1);
  if (missing.length > 0) {
    throw new AnnealError('ANNEAL_E_MODEL', `the model does not have the classes ${missing.join(', ')}`, {
      path: ['labels'],
      fix: `map the labels of the data to its classes: ${known.join(', ')}`,
    });
  }
  return columns.length === known.length && columns.every((column, i) => column === i) ? undefined : columns;
}
