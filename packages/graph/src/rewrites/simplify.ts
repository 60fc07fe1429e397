import type { GraphBuilder } from '../builder.ts';
import { bytesOf, type TensorData } from '../tensor.ts';
import { opKey } from '../infer/index.ts';
import type { Attribute, Graph, Node, Value } from '../ir.ts';
import { copyNode, type NodeRewriter, rewrite } from '../transform.ts';
import { constantFolder, type FoldOptions } from './fold.ts';
import { rulesOf, type Surroundings } from './rules.ts';

/** Constants with more bytes are not compared. */
const MAX_COMPARED_BYTES = 2 ** 16;

/** A pass makes room for the next; this many are enough for any graph that is not made to need more. */
const MAX_PASSES = 8;

/** Operators whose result is not decided by their inputs. */
const RANDOM: ReadonlySet<string> = new Set([
  'Dropout',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
]);

/** Finds, for the nodes of one builder, what computes a value and whether the same was computed before. */
class Rewriting {
  readonly #g: GraphBuilder;
  readonly #producers = new Map<Value, Node>();
  readonly #ids = new Map<Value, number>();
  readonly #constants = new Map<string, Value>();
  readonly #shared = new Map<Value, Value>();
  readonly #computed = new Map<string, readonly (Value | undefined)[]>();
  #seen = 0;

  constructor(g: GraphBuilder) {
    this.#g = g;
  }

  producerOf(value: Value): Node | undefined {
    for (; this.#seen < this.#g.nodes.length; this.#seen++) {
      const node = this.#g.nodes[this.#seen] as Node;
      for (const output of node.outputs) if (output) this.#producers.set(output, node);
    }
    return this.#producers.get(value);
  }

  /** The first constant with the same elements. */
  shared(value: Value): Value {
    const known = this.#shared.get(value);
    if (known) return known;
    const data = this.#g.constantOf(value);
    if (data === undefined || data.data.byteLength > MAX_COMPARED_BYTES) return value;
    const key = contentOf(data);
    const first = this.#constants.get(key) ?? value;
    this.#constants.set(key, first);
    this.#shared.set(value, first);
    return first;
  }

  /** Copies a node, or returns the outputs of one that computes the same. */
  copy(node: Node, inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
    const key = this.#keyOf(node, inputs);
    const found = key === undefined ? undefined : this.#computed.get(key);
    if (found) return found;
    const outputs = copyNode(this.#g, node, inputs, (shape) => shape);
    if (key !== undefined) this.#computed.set(key, outputs);
    return outputs;
  }

  #keyOf(node: Node, inputs: readonly (Value | undefined)[]): string | undefined {
    const attributes: string[] = [];
    for (const [name, attribute] of Object.entries(node.attributes)) {
      const text = attributeKey(attribute);
      if (text === undefined) return undefined;
      attributes.push(`${name}=${text}`);
    }
    if (RANDOM.has(node.op)) return undefined;
    const outputs = node.outputs.map((value) => (value ? 1 : 0)).join('');
    const args = inputs.map((value) => value && this.#idOf(value));
    return [opKey(node.domain, node.op), args.join(), outputs, ...attributes.sort()].join('|');
  }

  #idOf(value: Value): number {
    const id = this.#ids.get(value) ?? this.#ids.size;
    this.#ids.set(value, id);
    return id;
  }
}

function contentOf(data: TensorData): string {
  // One character for each byte: equal keys are equal elements.
  const bytes = bytesOf(data);
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return `${data.dtype}[${data.shape.join()}]${text}`;
}

/** An attribute as text; `undefined` for those that are too large to compare. */
function attributeKey(attribute: Attribute): string | undefined {
  if ('graph' in attribute) return undefined;
  if ('tensor' in attribute) {
    return attribute.tensor.data.byteLength > MAX_COMPARED_BYTES ? undefined : contentOf(attribute.tensor);
  }
  return JSON.stringify(attribute, (_key, value: unknown) => (typeof value === 'number' ? `${value}` : value));
}

function simplifier(opsets: Graph['opsets'], options: FoldOptions): NodeRewriter {
  const fold = constantFolder(opsets, options);
  let current: { readonly g: GraphBuilder; readonly rewriting: Rewriting } | undefined;
  return (node, given, g) => {
    if (current?.g !== g) current = { g, rewriting: new Rewriting(g) };
    const { rewriting } = current;
    const inputs = given.map((value) => value && rewriting.shared(value));
    const folded = fold(node, inputs, g);
    if (folded) return folded;
    // Rules look at the copy, whose types are those of this graph; where one applies, nobody uses the copy and it goes.
    const outputs = rewriting.copy(node, inputs);
    const copied = outputs[0] && rewriting.producerOf(outputs[0]);
    const around: Surroundings = { g, producerOf: (value) => rewriting.producerOf(value) };
    for (const { apply } of copied ? rulesOf(copied) : []) {
      const replacement = apply(copied as Node, inputs, around);
      if (replacement) return [replacement];
    }
    return outputs;
  };
}

/**
 * The graph with less in it: constants are folded, equal constants and equal nodes become one, and nodes that change
 * nothing go ({@link SIMPLIFICATIONS}). Results stay what they were, up to the sign of zeros; inputs, outputs and
 * parameters keep their names. `Dropout` and `StopGradient` stay, because training gives them a meaning.
 */
export function simplify(graph: Graph, options: FoldOptions = {}): Graph {
  let simplified = graph;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const next = rewrite(simplified, { node: simplifier(graph.opsets, options) });
    const settled = next.nodes.length === simplified.nodes.length && pass > 0;
    simplified = next;
    if (settled) break;
  }
  return simplified;
}
