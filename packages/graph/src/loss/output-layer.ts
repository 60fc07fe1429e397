import type { GraphBuilder } from '../builder.ts';
import { isFloat } from '../dtype.ts';
import { opKey } from '../infer/index.ts';
import { attr, type Node, type Value } from '../ir.ts';
import type { LossLayer, TrainedFactor } from './chunked.ts';
import { biasFactor, weightFactor } from './factors.ts';

/** How a node multiplies hidden states with a matrix. */
interface Product {
  readonly hidden: Value;
  readonly weight: Value;
  /** The matrix is `[classes, features]`, as tables of embeddings are; otherwise `[features, classes]`. */
  readonly classesFirst: boolean;
  /** Scale of each class, where the matrix is int8. */
  readonly scale?: Value | undefined;
  readonly bias?: Value | undefined;
  /** An int8 matrix for the way back, `[classes, features]`, with a scale of each feature. */
  readonly transposed?: { readonly weight: Value; readonly scale: Value } | undefined;
}

const flag = (node: Node, name: string): boolean => attr.int(node, name, 0) !== 0;

/** Products with a weight by operator; `undefined` where it is more than that. */
const PRODUCTS: Readonly<Record<string, (node: Node) => Product | undefined>> = {
  MatMul: ({ inputs: [hidden, weight] }) => hidden && weight && { hidden, weight, classesFirst: false },
  'com.microsoft.FusedMatMul': (node) => {
    const [hidden, weight] = node.inputs;
    if (['transA', 'transBatchA', 'transBatchB'].some((name) => flag(node, name))) return undefined;
    if (attr.float(node, 'alpha', 1) !== 1) return undefined;
    return hidden && weight && { hidden, weight, classesFirst: flag(node, 'transB') };
  },
  Gemm: (node) => {
    const [hidden, weight, bias] = node.inputs;
    if (flag(node, 'transA') || attr.float(node, 'alpha', 1) !== 1) return undefined;
    if (bias && attr.float(node, 'beta', 1) !== 1) return undefined;
    return hidden && weight && { hidden, weight, classesFirst: flag(node, 'transB'), bias };
  },
  'com.microsoft.DynamicQuantizeMatMul': ({ inputs: [hidden, weight, scale, zeroPoint, bias] }) =>
    hidden && weight && scale && !zeroPoint ? { hidden, weight, classesFirst: false, scale, bias } : undefined,
  'anneal.Int8Linear': ({ inputs: [hidden, weight, scale, back, backScale] }) =>
    hidden &&
    weight &&
    scale &&
    back &&
    backScale && { hidden, weight, classesFirst: false, scale, transposed: { weight: back, scale: backScale } },
};

/** One step from logits towards the product: where it comes from, and how it is done again for a part of the rows. */
interface Step {
  readonly from: Value;
  readonly again?: ((x: Value) => Value) | undefined;
  readonly bias?: Value | undefined;
}

const STEPS: Readonly<Record<string, (g: GraphBuilder, node: Node, to: Value) => Step | undefined>> = {
  Identity: (_, { inputs: [from] }) => from && { from },
  // Rows may be arranged differently, as around a Gemm, as long as they stay rows.
  Reshape: (_, { inputs: [from] }, to) => (from && from.shape.at(-1) === to.shape.at(-1) ? { from } : undefined),
  Cast: (g, { inputs: [from] }, to) =>
    from && isFloat(from.dtype) ? { from, again: (x) => g.ops.cast(x, to.dtype) } : undefined,
  Add: (g, { inputs }, to) => {
    const bias = inputs.find((value) => value && isVector(value, to.shape.at(-1)));
    const from = inputs.find((value) => value !== bias);
    return bias && from && { from, bias, again: (x) => g.ops.add(x, bias) };
  },
};

function isVector({ shape }: Value, size: number | string | undefined): boolean {
  return shape.at(-1) === size && shape.slice(0, -1).every((dim) => dim === 1);
}

/**
 * The product with a weight matrix that gave `logits`, looked up in the graph that it was built in: MatMul,
 * FusedMatMul, Gemm, or one in int8, with a bias or without. `undefined` when it came about otherwise, or its
 * rows are not known as numbers.
 */
export function outputLayerOf(g: GraphBuilder, logits: Value): LossLayer | undefined {
  const producers = new Map<Value | undefined, Node>(
    g.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)),
  );
  const steps: Step[] = [];
  for (let value = logits; ;) {
    const node = producers.get(value);
    const key = node && opKey(node.domain, node.op);
    if (node === undefined || key === undefined) return undefined;
    const product = PRODUCTS[key]?.(node);
    if (product !== undefined) return layerOf(g, producers, { node, product, steps, logits });
    const step = STEPS[key]?.(g, node, value);
    if (step === undefined) return undefined;
    steps.unshift(step);
    value = step.from;
  }
}

interface Found {
  readonly node: Node;
  readonly product: Product;
  readonly steps: readonly Step[];
  readonly logits: Value;
}

function layerOf(
  g: GraphBuilder,
  producers: ReadonlyMap<Value | undefined, Node>,
  { node, product, steps, logits }: Found,
): LossLayer | undefined {
  const { ops } = g;
  const { hidden, bias, transposed } = product;
  const { weight, classesFirst } = untransposed(producers, product);
  const { rank, shape } = weight;
  const isStatic = [...hidden.shape, ...shape].every((dim) => typeof dim === 'number');
  if (!isStatic || rank !== 2 || shape[classesFirst ? 0 : 1] !== logits.shape.at(-1)) return undefined;
  const biases = [bias, ...steps.map((step) => step.bias)].filter((value) => value !== undefined);
  const trained: TrainedFactor[] = [];
  if (canBeTrained(g, producers, weight)) trained.push(weightFactor(ops, weight, classesFirst));
  for (const value of biases) if (canBeTrained(g, producers, value)) trained.push(biasFactor(ops, value));
  return {
    hidden,
    trained,
    logits: (h) => {
      const { op, domain, attributes, scope, inputs } = node;
      const [y] = g.node(op, [h, ...inputs.slice(1)], { domain, attributes, scope }) as [Value];
      return steps.reduce((x, { again }) => again?.(x) ?? x, y);
    },
    back: transposed && ((e) => ops.int8Matmul(e, transposed.weight, transposed.scale)),
    rows: (ids) => {
      if (transposed !== undefined) {
        return ops.mul(ops.cast(ops.take(transposed.weight, ids), transposed.scale.dtype), transposed.scale);
      }
      const rows = classesFirst ? ops.take(weight, ids) : ops.transpose(ops.take(weight, ids, { axis: 1 }), [1, 0]);
      if (product.scale === undefined) return rows;
      const scale = ops.reshape(ops.take(product.scale, ids), [-1, 1]);
      return ops.mul(ops.cast(rows, scale.dtype), scale);
    },
  };
}

/** Exporters write the product with a tied table as one with its transpose, which need not be made. */
function untransposed(
  producers: ReadonlyMap<Value | undefined, Node>,
  { weight, classesFirst }: Product,
): Pick<Product, 'weight' | 'classesFirst'> {
  const node = producers.get(weight);
  const [table] = node?.inputs ?? [];
  if (node?.op !== 'Transpose' || table?.rank !== 2) return { weight, classesFirst };
  return attr.ints(node, 'perm')?.join() === '0,1'
    ? { weight: table, classesFirst }
    : { weight: table, classesFirst: !classesFirst };
}

/** Whether training may change a value: it is, or comes from, something other than constants and frozen parameters. */
function canBeTrained(g: GraphBuilder, producers: ReadonlyMap<Value | undefined, Node>, value: Value): boolean {
  if (!isFloat(value.dtype) || g.constantOf(value) !== undefined) return false;
  const parameter = g.parameterOf(value);
  if (parameter !== undefined) return parameter.trainable;
  const node = producers.get(value);
  return node === undefined || node.inputs.some((input) => input && canBeTrained(g, producers, input));
}
