import { expect } from 'vitest';
import type { Attribute, Graph, Shape, Value } from '../../src/ir.ts';
import { bytesOf, loadTensor, type TensorData } from '../../src/tensor.ts';

/** A graph as plain data: values numbered in the order of their appearance, symbols that inference made up renamed. */
export async function plainGraph(graph: Graph): Promise<unknown> {
  const ids = new Map<Value, string>();
  const symbols = new Map<string, string>();
  for (const { shape } of graph.inputs.values()) {
    for (const dim of shape) if (typeof dim === 'string') symbols.set(dim, dim);
  }
  const shapeOf = (shape: Shape): unknown[] =>
    shape.map((dim) => {
      if (typeof dim === 'number') return dim;
      if (!symbols.has(dim)) symbols.set(dim, `symbol ${symbols.size}`);
      return symbols.get(dim);
    });
  const idOf = (value: Value | undefined): string => (value === undefined ? '' : (ids.get(value) ?? 'UNKNOWN'));
  for (const [name, value] of graph.inputs) ids.set(value, `input ${name}`);
  for (const [name, { value }] of graph.parameters) ids.set(value, `parameter ${name}`);
  for (const [value, data] of graph.constants) ids.set(value, `constant ${describe(data)}`);
  const nodes = graph.nodes.map((node, i) => {
    const inputs = node.inputs.map(idOf);
    node.outputs.forEach((value, j) => value && ids.set(value, `node ${i} output ${j}`));
    return {
      op: node.op,
      domain: node.domain,
      scope: node.scope,
      inputs,
      outputs: node.outputs.map((value) => value && [value.dtype, ...shapeOf(value.shape)]),
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([key, value]) => [key, plainAttribute(value)]),
      ),
    };
  });
  const parameters = await Promise.all(
    [...graph.parameters].map(async ([name, { data, trainable, transposed }]) => {
      return [name, describe(await loadTensor(data)), trainable, transposed];
    }),
  );
  return {
    name: graph.name,
    opsets: graph.opsets,
    metadata: graph.metadata,
    inputs: [...graph.inputs].map(([name, value]) => [name, value.dtype, ...shapeOf(value.shape)]),
    outputs: [...graph.outputs].map(([name, value]) => [name, idOf(value)]),
    parameters,
    nodes,
  };
}

function describe(data: TensorData): string {
  return `${data.dtype}[${data.shape}] ${Buffer.from(bytesOf(data)).toString('hex')}`;
}

/** Floats are 32 bits wide in a file. */
function plainAttribute(attribute: Attribute): unknown {
  if ('float' in attribute) return { float: Math.fround(attribute.float) };
  if ('floats' in attribute) return { floats: attribute.floats.map(Math.fround) };
  return 'tensor' in attribute ? describe(attribute.tensor) : attribute;
}

export async function expectSameGraph(actual: Graph, expected: Graph): Promise<void> {
  expect(await plainGraph(actual)).toEqual(await plainGraph(expected));
}
