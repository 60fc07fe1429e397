import type { GraphBuilder } from '../builder.ts';
import type { InferContext } from '../infer/index.ts';
import type { Node, Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';

/** Appends the gradient of one input; called only when that gradient is needed. */
export type Pullback = () => Value;

/** What a rule sees of the node that it differentiates. Every value is usable in the graph being extended. */
export interface VjpContext extends InferContext {
  /** The graph that the backward pass is appended to. */
  readonly g: GraphBuilder;
  /** Of that graph. */
  readonly ops: Ops;
  /** The node that is differentiated. */
  readonly node: Node;
  /** Gradient of the loss with respect to output 0. */
  readonly dy: Value;
  /** Gradients of all outputs; `undefined` where the loss does not depend on one. */
  readonly grads: readonly (Value | undefined)[];
  /** Input `index`. @throws GraphError `ANNEAL_E_OP` when it is left out. */
  x(index: number): Value;
  /** Output `index` of the forward node; an optional output that the node does not have yet is added to it. */
  y(index: number): Value;
  /** Whether the gradient of this input is needed. */
  needs(index: number): boolean;
}

/**
 * Vector-Jacobian product of one operator: from the gradients of a node's outputs to those of its inputs, as functions
 * by input index. `undefined` where the operator has no gradient: an error when it is needed.
 */
export type VjpRule = (c: VjpContext) => readonly (Pullback | undefined)[];

/** Why an operator has no rule. */
export interface Stop {
  /** `zero`: the derivative is zero or the result is no number, paths end here. `error`: refuse a path through it. */
  readonly kind: 'zero' | 'error';
  /** In words. */
  readonly reason: string;
  /** What to do instead. */
  readonly fix?: string | undefined;
}

/** Computes once, on first use: what several pullbacks of one rule share. */
export function once<T>(compute: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => (result ??= { value: compute() }).value;
}
