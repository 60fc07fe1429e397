import type { GraphBuilder } from '../builder.ts';
import { GraphError } from '../error.ts';
import { input, type Node, type Value } from '../ir.ts';
import { placeOf, whereIs } from './place.ts';
import type { VjpContext } from './types.ts';

/** The view of `node` that its rule gets. */
export function createContext(
  g: GraphBuilder,
  node: Node,
  grads: readonly (Value | undefined)[],
  needs: (index: number) => boolean,
): VjpContext {
  return {
    g,
    ops: g.ops,
    node,
    op: node.op,
    inputs: node.inputs,
    attributes: node.attributes,
    outputCount: node.outputs.length,
    grads,
    needs,
    get dy(): Value {
      const dy = grads[0];
      if (dy === undefined || grads.some((grad, i) => i > 0 && grad !== undefined)) {
        throw new GraphError(
          'ANNEAL_E_NOT_DIFFERENTIABLE',
          `${whereIs(node)}: only its first output has a gradient, the loss also uses another`,
          { at: placeOf(node), fix: 'cut that path with ops.stopGradient' },
        );
      }
      return dy;
    },
    x: (index) => input(node, index),
    y: (index) => node.outputs[index] ?? g.addOutput(node, index),
    constantTensor: (index) => {
      const value = node.inputs[index];
      return value && g.constantOf(value);
    },
    constant: (index) => {
      const value = node.inputs[index];
      const data = value && g.constantOf(value);
      return data && Array.from(data.data, Number);
    },
    freshDim: (hint) => hint,
  };
}
