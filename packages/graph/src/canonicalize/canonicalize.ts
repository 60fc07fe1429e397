import type { GraphBuilder } from '../builder.ts';
import { GraphError } from '../error.ts';
import { type Dim, type Graph, type Node, type Value } from '../ir.ts';
import { applyRewrites } from '../rewrites/define.ts';
import type { FoldOptions } from '../rewrites/fold.ts';
import { FUSIONS } from '../rewrites/fusions.ts';
import { simplify } from '../rewrites/simplify.ts';
import { type TensorData, zeros } from '../tensor.ts';
import { inline, type NodeRewriter, rewrite } from '../transform.ts';
import { DEQUANTIZATIONS, EXPANSIONS } from './composites/index.ts';
import { isOld, opsetRewriter, upgradedOpsets } from './opset/index.ts';

/** What {@link canonicalize} is told. */
export interface CanonicalizeOptions extends FoldOptions {
  /** Numbers for symbolic dimensions. What depends on the sizes of attention needs those to be taken apart. */
  readonly dims?: Readonly<Record<string, Dim>> | undefined;
  /** Inputs to fix: they become constants, and an `If` that depends on them becomes its branch. */
  readonly inputs?: Readonly<Record<string, TensorData>> | undefined;
  /**
   * What becomes of the cache of a language model's keys and values. `drop`: outputs named `present…` go, and inputs named
   * `past…` become empty, as in training. @defaultValue `'keep'`
   */
  readonly cache?: 'keep' | 'drop' | undefined;
  /** Takes fused attention and normalisation apart into operators that have gradients. @defaultValue `true` */
  readonly expand?: boolean | undefined;
  /** Puts GELU, SiLU and normalisations together that an exporter took apart. @defaultValue `true` */
  readonly fuse?: boolean | undefined;
  /**
   * Dynamically quantized integer products, which have no gradient. `dequantize`: products of floats with the dequantized
   * weights, which changes results by the quantization error of the activations. @defaultValue `'dequantize'`
   */
  readonly integers?: 'keep' | 'dequantize' | undefined;
}

/** A graph that can be differentiated, and how it became that. */
export interface Canonical {
  /** With static shapes where sizes were given. */
  readonly graph: Graph;
  /** How often each rule was applied, by name. */
  readonly applied: Readonly<Record<string, number>>;
}

/**
 * The graph in the form that gradients, rewrites and backends are made for: operators of set 21, sizes and branches
 * decided, shape arithmetic computed, fused operators that have no gradient taken apart, and those that have one put
 * together. What a rule cannot take apart (a cache of keys, an unbound size) stays as it is.
 *
 * @throws GraphError `ANNEAL_E_GRAPH` for an input that the graph does not have; `ANNEAL_E_SHAPE`, `ANNEAL_E_DTYPE` and
 * `ANNEAL_E_OP` when sizes or inputs do not fit.
 */
export function canonicalize(graph: Graph, options: CanonicalizeOptions = {}): Canonical {
  const { cache = 'keep', expand = true, fuse = true, integers = 'dequantize', maxElements } = options;
  const fixed = specialise(cache === 'drop' ? withoutPresent(graph) : graph, options);
  const rules = [
    ...(expand ? EXPANSIONS : []),
    ...(integers === 'dequantize' ? DEQUANTIZATIONS : []),
    ...(fuse ? FUSIONS : []),
  ];
  const { graph: rewritten, applied } = applyRewrites(simplify(fixed, { maxElements }), rules);
  return { graph: simplify(rewritten, { maxElements }), applied };
}

/** Sizes bound, inputs fixed, operators of older sets in their present form. */
function specialise(graph: Graph, { dims = {}, inputs = {}, cache = 'keep' }: CanonicalizeOptions): Graph {
  for (const name of Object.keys(inputs)) {
    if (graph.inputs.has(name)) continue;
    throw new GraphError('ANNEAL_E_GRAPH', `graph "${graph.name}" has no input "${name}"`, {
      fix: `inputs are: ${[...graph.inputs.keys()].join(', ')}`,
    });
  }
  const upgraded = upgradedOpsets(graph.opsets);
  const upgrade = opsetRewriter(graph.opsets);
  const node: NodeRewriter = (item, args, g) => decided(item, args, g) ?? upgrade(item, args, g);
  const result = rewrite(graph, {
    dims,
    node,
    input: (name, value, g) => {
      const given = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
      const data = given ?? (cache === 'drop' ? emptyPast(name, value, dims) : undefined);
      return data && g.constant(data, name);
    },
  });
  return isOld(graph.opsets[''] ?? 0) ? { ...result, opsets: upgraded } : result;
}

/** The branch of an `If` whose condition is a constant by now. */
function decided(node: Node, inputs: readonly (Value | undefined)[], g: GraphBuilder): readonly Value[] | undefined {
  const condition = node.op === 'If' && node.domain === '' && inputs[0] ? g.constantOf(inputs[0]) : undefined;
  if (condition === undefined) return undefined;
  const branch = node.attributes[Number(condition.data[0]) === 0 ? 'else_branch' : 'then_branch'];
  if (branch === undefined || !('graph' in branch)) return undefined;
  return Object.values(inline(g, branch.graph, { node: (item, args, into) => decided(item, args, into) }));
}

const PRESENT = /^present/;
const PAST = /^past/;

function withoutPresent(graph: Graph): Graph {
  const outputs = new Map([...graph.outputs].filter(([name]) => !PRESENT.test(name)));
  // Copied, so that what only the cache needs goes.
  return outputs.size === graph.outputs.size || outputs.size === 0 ? graph : rewrite({ ...graph, outputs }, {});
}

/** A past of length 0, `[batch, heads, 0, size]`; `undefined` when other sizes are not known. */
function emptyPast(name: string, value: Value, dims: Readonly<Record<string, Dim>>): TensorData | undefined {
  if (!PAST.test(name) || value.rank !== 4) return undefined;
  const shape = value.shape.map((dim, i) => (i === 2 ? 0 : typeof dim === 'string' ? dims[dim] : dim));
  return shape.every((dim) => typeof dim === 'number') ? zeros(value.dtype, shape as readonly number[]) : undefined;
}
