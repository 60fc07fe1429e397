import type { GraphBuilder } from '../../builder.ts';
import { evaluateNode } from '../../interpret/evaluate.ts';
import { load, type NdArray } from '../../interpret/array.ts';
import type { Graph, Node, Value } from '../../ir.ts';

/** Conditions and shapes are small; anything larger is not worth computing here. */
const MAX_ELEMENTS = 1024;
const MAX_DEPTH = 200;

/** Computes values that depend on constants and static shapes only, such as the condition of an `If`. */
export class ConstantFolder {
  readonly #g: GraphBuilder;
  readonly #opsets: Graph['opsets'];
  readonly #producers = new Map<Value, Node>();
  readonly #known = new Map<Value, NdArray | undefined>();

  constructor(g: GraphBuilder, opsets: Graph['opsets']) {
    this.#g = g;
    this.#opsets = opsets;
  }

  /** Remembers which node produces a value. */
  add(node: Node): void {
    for (const value of node.outputs) if (value) this.#producers.set(value, node);
  }

  /** The value's elements, or `undefined` when they depend on inputs or parameters. */
  valueOf(value: Value, depth: number = 0): NdArray | undefined {
    if (this.#known.has(value)) return this.#known.get(value);
    const found = depth < MAX_DEPTH ? this.#compute(value, depth) : undefined;
    this.#known.set(value, found);
    return found;
  }

  #compute(value: Value, depth: number): NdArray | undefined {
    const constant = this.#g.constantOf(value);
    if (constant) return constant.data.length <= MAX_ELEMENTS ? load(constant) : undefined;
    const node = this.#producers.get(value);
    if (node === undefined || !isSmall(value, node)) return undefined;
    const [first] = node.inputs;
    if (node.domain === '' && (node.op === 'Shape' || node.op === 'Size') && first) {
      return shapeResult(node, first);
    }
    const dim = this.#pickedDim(node, depth);
    if (dim !== undefined) return { dtype: 'int64', shape: value.dims, data: Float64Array.of(dim) };
    const inputs: (NdArray | undefined)[] = [];
    for (const input of node.inputs) {
      const array = input && this.valueOf(input, depth + 1);
      if (input && array === undefined) return undefined;
      inputs.push(array);
    }
    if (node.op === 'ConstantOfShape' && product(inputs[0]) > MAX_ELEMENTS) return undefined;
    try {
      return evaluateNode(node, inputs, this.#opsets)[node.outputs.indexOf(value)];
    } catch {
      // An operator without a kernel, or operands that do not fit: it stays in the graph, where that is reported.
      return undefined;
    }
  }

  /** One static dimension of a tensor whose other dimensions may be symbolic: `Gather(Shape(x), i)`. */
  #pickedDim(node: Node, depth: number): number | undefined {
    const [shape, index] = node.inputs;
    const source = shape && this.#producers.get(shape);
    if (node.op !== 'Gather' || source?.op !== 'Shape' || Object.keys(source.attributes).length > 0) return undefined;
    const at = index && this.valueOf(index, depth + 1)?.data;
    const dim = at?.length === 1 ? source.inputs[0]?.shape.at(at[0] as number) : undefined;
    return typeof dim === 'number' ? dim : undefined;
  }
}

/** Operators whose results are no larger than their inputs, which are small, or checked once those are known. */
const BOUNDED = new Set([
  'Cast',
  'Concat',
  'ConstantOfShape',
  'Gather',
  'Identity',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Unsqueeze',
]);

function product(shape: NdArray | undefined): number {
  return shape?.data.reduce((a, b) => a * b, 1) ?? 0;
}

/** Whether a result is known to be small, also where its shape depends on what is computed. */
function isSmall({ shape }: Value, { op, domain }: Node): boolean {
  let size = 1;
  for (const dim of shape) {
    if (typeof dim === 'string') return domain === '' && BOUNDED.has(op);
    size *= dim;
  }
  return size <= MAX_ELEMENTS;
}

function shapeResult(node: Node, { shape }: Value): NdArray | undefined {
  const at = (name: string, fallback: number): number => {
    const attribute = node.attributes[name];
    return attribute && 'int' in attribute ? attribute.int : fallback;
  };
  const dims = node.op === 'Shape' ? shape.slice(at('start', 0), at('end', shape.length)) : shape;
  if (!dims.every((dim) => typeof dim === 'number')) return undefined;
  const data = Float64Array.from(dims);
  if (node.op === 'Shape') return { dtype: 'int64', shape: [data.length], data };
  return { dtype: 'int64', shape: [], data: Float64Array.of(data.reduce((a, b) => a * b, 1)) };
}
