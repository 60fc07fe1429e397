import { after } from '../after.ts';
import type { GraphBuilder } from '../builder.ts';
import { isFloat } from '../dtype.ts';
import type { Node, Value } from '../ir.ts';

/**
 * Activation checkpointing (Chen et al., 2016, arXiv 1604.06174): when the backward pass reaches a segment, its forward
 * nodes are appended once more, and the rules see the copies. What segments exchange is kept.
 */
export class Recomputation {
  readonly #g: GraphBuilder;
  readonly #segments = new Map<string, Node[]>();
  readonly #segmentOf = new Map<Node, string>();
  readonly #produced = new Set<Value>();
  readonly #copies = new Map<Node, Node>();
  readonly #done = new Set<string>();

  constructor(g: GraphBuilder, segmentOf: (node: Node) => string | undefined) {
    this.#g = g;
    for (const node of g.nodes) {
      for (const value of node.outputs) if (value) this.#produced.add(value);
      const name = segmentOf(node);
      if (name === undefined) continue;
      this.#segmentOf.set(node, name);
      this.#segments.set(name, [...(this.#segments.get(name) ?? []), node]);
    }
  }

  /** The node that a rule should read its values from, given a gradient that is known by now. */
  resolve(node: Node, grad: Value): Node {
    const name = this.#segmentOf.get(node);
    if (name === undefined) return node;
    if (!this.#done.has(name)) this.#replay(this.#segments.get(name) ?? [], grad);
    this.#done.add(name);
    return this.#copies.get(node) as Node;
  }

  #replay(nodes: readonly Node[], grad: Value): void {
    const g = this.#g;
    const map = new Map<Value, Value>();
    const inside = new Set(nodes.flatMap(({ outputs }) => outputs));
    // Without this a runtime would see that the copies equal the originals, and keep those.
    const late = (value: Value): Value => {
      if (!this.#produced.has(value) || !isFloat(value.dtype)) return value;
      return after(g.ops, value, grad);
    };
    for (const node of nodes) {
      const inputs = node.inputs.map((value) => {
        if (value === undefined) return undefined;
        const known = map.get(value);
        if (known !== undefined) return known;
        const kept = inside.has(value) ? value : late(value);
        map.set(value, kept);
        return kept;
      });
      const { op, domain, attributes, outputs, scope } = node;
      const types = outputs.map((value) => ({ dtype: value?.dtype ?? 'float32', shape: value?.shape ?? [] }) as const);
      const values = g.node(op, inputs, { domain, attributes, outputs: outputs.map(Boolean), types, scope });
      outputs.forEach((value, i) => {
        const copy = values[i];
        if (value && copy) map.set(value, copy);
      });
      this.#copies.set(node, g.nodes.at(-1) as Node);
    }
  }
}
