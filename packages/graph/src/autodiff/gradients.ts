import type { GraphBuilder } from '../builder.ts';
import { isFloat } from '../dtype.ts';
import { GraphError } from '../error.ts';
import { usedBy } from '../inner-graphs.ts';
import type { Node, Value } from '../ir.ts';
import { createContext } from './context.ts';
import { Recomputation } from './recompute.ts';
import { placeOf, whereIs } from './place.ts';
import { ruleOf } from './rules/index.ts';
import { stopOf } from './stop.ts';

/** How {@link gradients} goes about it. */
export interface GradientOptions {
  /**
   * The gradient of whatever is minimised with respect to `loss`, of the same shape: a loss scale, or the upstream
   * gradient of a part of a model. @defaultValue `1`, for a scalar loss
   */
  readonly seed?: Value | undefined;
  /**
   * What a value of `wrt` gets that the loss does not depend on: an error, a tensor of zeros, or no entry in the
   * result. @defaultValue `'error'`
   */
  readonly unused?: 'error' | 'zeros' | 'omit' | undefined;
  /**
   * Segments of the forward pass, by name, whose inner values are computed again in the backward pass instead of being
   * kept: about a third more work for memory that grows with one segment instead of with all of them. A layer of a
   * transformer is a good segment: `({ scope }) => /layer\.\d+/.exec(scope)?.[0]`. @defaultValue none
   */
  readonly recompute?: ((node: Node) => string | undefined) | undefined;
}

/**
 * Reverse-mode differentiation: appends the nodes that compute d`loss`/d`wrt` to `g` and returns the gradients, which
 * are ordinary values (and so can be differentiated again). Shapes must be static.
 *
 * Only what lies on a path from `wrt` to `loss` is differentiated: a frozen weight costs no product, and nothing is
 * computed below the lowest trainable value. Integer and bool values end a path.
 *
 * @throws GraphError `ANNEAL_E_NOT_DIFFERENTIABLE` when a path leads through an operator without a gradient;
 * `ANNEAL_E_SHAPE` when the loss is no scalar and no `seed` is given; `ANNEAL_E_GRAPH` when the loss does not depend on
 * a value and `unused` is `'error'`.
 */
export function gradients(
  g: GraphBuilder,
  loss: Value,
  wrt: readonly Value[],
  options: GradientOptions = {},
): Map<Value, Value> {
  const { unused = 'error' } = options;
  const forward = [...g.nodes];
  const active = reachable(forward, wrt);
  const path = pathTo(forward, loss, active);
  for (const node of path) refuse(node, active);

  const recomputation = options.recompute && new Recomputation(g, options.recompute);
  const found = new Map<Value, Value>();
  if (active.has(loss)) found.set(loss, seedOf(g, loss, options.seed));
  for (const node of path.reverse()) {
    const grads = node.outputs.map((value) => value && found.get(value));
    const known = grads.find((grad) => grad !== undefined);
    if (known === undefined) continue;
    g.scope(node.scope, () => {
      const source = recomputation?.resolve(node, known) ?? node;
      propagate(g, node, source, grads, active, found);
    });
  }

  const result = new Map<Value, Value>();
  for (const value of wrt) {
    const grad = found.get(value) ?? (unused === 'zeros' ? g.ops.zeros(value.dims, value.dtype) : undefined);
    if (grad !== undefined) result.set(value, grad);
    else if (unused === 'error') throw independent(forward, loss, value);
  }
  return result;
}

/** Values that depend differentiably on `wrt`. */
function reachable(nodes: readonly Node[], wrt: readonly Value[]): Set<Value> {
  for (const value of wrt) {
    if (!isFloat(value.dtype)) {
      throw new GraphError(
        'ANNEAL_E_DTYPE',
        `gradients: "${value.name}" is ${value.dtype}, only floats have a gradient`,
      );
    }
  }
  const active = new Set<Value>(wrt);
  for (const node of nodes) {
    if (!usedBy(node).some((value) => value && active.has(value))) continue;
    const stop = stopOf(node);
    if (stop?.kind === 'zero') continue;
    for (const value of node.outputs) {
      // Quantised values carry a gradient to their scale; behind a refused operator the path goes on to be reported.
      if (value && (isFloat(value.dtype) || stop !== undefined || node.op === 'QuantizeLinear')) active.add(value);
    }
  }
  return active;
}

/** The nodes between the active values and the loss, in order. */
function pathTo(nodes: readonly Node[], loss: Value, active: ReadonlySet<Value>): Node[] {
  const wanted = new Set<Value>([loss]);
  const path: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node;
    if (!node.outputs.some((value) => value && wanted.has(value) && active.has(value))) continue;
    if (stopOf(node)?.kind === 'zero') continue;
    const sources = usedBy(node).filter((value) => value !== undefined && active.has(value));
    if (sources.length === 0) continue;
    path.push(node);
    for (const value of sources) wanted.add(value as Value);
  }
  return path.reverse();
}

function refuse(node: Node, active: ReadonlySet<Value>): void {
  const stop = stopOf(node);
  if (stop === undefined) return;
  const from = usedBy(node).find((value) => value && active.has(value));
  throw new GraphError(
    'ANNEAL_E_NOT_DIFFERENTIABLE',
    `${whereIs(node)} lies between "${from?.name}" and the loss and has no gradient: ${stop.reason}`,
    {
      at: placeOf(node),
      fix: stop.fix ?? 'freeze what lies below it, or cut the path with ops.stopGradient',
    },
  );
}

function seedOf(g: GraphBuilder, loss: Value, seed: Value | undefined): Value {
  if (seed === undefined) {
    if (loss.rank === 0) return g.scalar(1, loss.dtype);
    throw new GraphError(
      'ANNEAL_E_SHAPE',
      `gradients: the loss must be a scalar, received [${loss.shape.join(', ')}]`,
      {
        fix: 'reduce it with ops.mean or ops.sum, or give its gradient as `seed`',
      },
    );
  }
  if (seed.dtype !== loss.dtype || seed.shape.join() !== loss.shape.join()) {
    throw new GraphError(
      'ANNEAL_E_SHAPE',
      `gradients: the seed must be like the loss, ${loss.dtype}[${loss.shape.join(', ')}], ` +
        `received ${seed.dtype}[${seed.shape.join(', ')}]`,
    );
  }
  return seed;
}

/** Applies the rule of one node to the values of `source` and adds the gradients of its inputs to `found`. */
function propagate(
  g: GraphBuilder,
  node: Node,
  source: Node,
  grads: readonly (Value | undefined)[],
  active: ReadonlySet<Value>,
  found: Map<Value, Value>,
): void {
  const needs = (index: number): boolean => {
    const value = node.inputs[index];
    return value !== undefined && active.has(value);
  };
  const rule = ruleOf(node) as NonNullable<ReturnType<typeof ruleOf>>;
  const pullbacks = rule(createContext(g, source, grads, needs));
  node.inputs.forEach((value, i) => {
    if (value === undefined || !needs(i)) return;
    const grad = pullbacks[i]?.();
    if (grad === undefined) {
      throw new GraphError(
        'ANNEAL_E_NOT_DIFFERENTIABLE',
        `${whereIs(node)} has no gradient with respect to its input ${i}, "${value.name}"`,
        {
          at: placeOf(node),
          fix: 'freeze that input, or cut the path with ops.stopGradient',
        },
      );
    }
    if (grad.shape.join() !== value.shape.join()) {
      throw new GraphError(
        'ANNEAL_E_GRAPH',
        `${whereIs(node)}: the gradient of input ${i} has shape [${grad.shape.join()}], not [${value.shape.join()}]`,
        { at: placeOf(node) },
      );
    }
    const other = found.get(value);
    // Pairwise as they come rather than one Sum at the end: the same traffic, and two buffers alive instead of all.
    found.set(value, other === undefined ? grad : g.ops.add(other, grad));
  });
}

function independent(nodes: readonly Node[], loss: Value, value: Value): GraphError {
  const end = endOfPath(nodes, loss, value);
  const reason = end && (stopOf(end)?.reason ?? `its result is ${end.outputs[0]?.dtype}`);
  const why = end === undefined ? '' : `: the path ends at ${whereIs(end)}, as ${reason}`;
  const others = "leave it out, or choose gradients(…, { unused: 'zeros' }) or { unused: 'omit' }";
  return new GraphError(
    'ANNEAL_E_GRAPH',
    `"${loss.name}" does not depend on "${value.name}" in a differentiable way${why}`,
    {
      at: end && placeOf(end),
      fix: end === undefined ? others : `compute the loss from what comes before ${end.op}; or ${others}`,
    },
  );
}

/** The first node on a way from a value to the loss that no gradient comes back through. */
function endOfPath(nodes: readonly Node[], loss: Value, value: Value): Node | undefined {
  const leading = new Set<Value>([loss]);
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((result) => result && leading.has(result))) continue;
    for (const source of usedBy(node)) if (source) leading.add(source);
  }
  const active = reachable(nodes, [value]);
  return nodes.find(
    (node) =>
      usedBy(node).some((source) => source && active.has(source)) &&
      node.outputs.some((result) => result && leading.has(result) && !active.has(result)),
  );
}
