import { createHash } from 'node:crypto';
import type { OpCase } from '@anneal/testkit';
import type { Attribute, TensorData } from '../../src/index.ts';

/**
 * Changes with whatever decides the result of a case: node, attributes, constants, feeds. A golden of a case that has
 * changed since is noticed by it.
 */
export function caseId({ graph, feeds }: OpCase): string {
  const tensor = ({ dtype, shape, data }: TensorData): unknown => [dtype, shape, Array.from(data, String)];
  const attribute = (value: Attribute): unknown => ('tensor' in value ? tensor(value.tensor) : value);
  const nodes = graph.nodes.map(({ op, domain, attributes, inputs, outputs }) => [
    op,
    domain,
    Object.entries(attributes).map(([name, value]) => [name, attribute(value)]),
    inputs.map((value) => value && [value.dtype, value.shape]),
    outputs.length,
  ]);
  const content = [
    graph.opsets,
    nodes,
    [...graph.constants.values()].map(tensor),
    Object.entries(feeds).map(([name, value]) => [name, tensor(value)]),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 8);
}
