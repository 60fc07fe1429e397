import type { GraphBuilder } from '../builder.ts';
import { usedBy } from '../inner-graphs.ts';
import { opKey } from '../infer/index.ts';
import type { Graph, Node, Value } from '../ir.ts';
import { toNumbers } from '../interpret/array.ts';
import type { Ops } from '../ops/types.ts';
import { rewrite } from '../transform.ts';
import { type Found, Matcher, type OpPattern } from './pattern.ts';

/** What a rule sees of the place where it applies. Values are those of the graph being built. */
export interface Match {
  /** The node whose results are replaced, as it is in the graph before. */
  readonly node: Node;
  /** The inputs of that node. */
  readonly inputs: readonly (Value | undefined)[];
  /** The graph being built. */
  readonly g: GraphBuilder;
  /** Of the graph being built. */
  readonly ops: Ops;
  /** The value that `any(name)` found. */
  value(name: string): Value;
  /** The elements that `constant(name)` found. */
  numbers(name: string): Float64Array;
  /** The only element that `scalar(name)` found. */
  number(name: string): number;
  /** The node that `op(…, { name })` found, as it is in the graph before. */
  nodeOf(name: string): Node;
  /** A value of the graph before, in the one being built. */
  current(value: Value): Value;
}

/** A rule as {@link defineRewrite} takes it. */
export interface RewriteDefinition {
  /** Counted under this name. */
  readonly name: string;
  /** What the replaced node must be, and what leads to it. */
  readonly pattern: OpPattern;
  /** The values in place of the node's outputs: one for its first, or all. `undefined`: it does not apply after all. */
  readonly replace: (match: Match) => Value | readonly (Value | undefined)[] | undefined;
}

/** A rule that replaces part of a graph by something equal. */
export interface Rewrite extends RewriteDefinition {
  /** Keys of the operators that the replaced node may be. */
  readonly roots: readonly string[];
}

/**
 * A rule.
 *
 * ```ts
 * const { any, op } = pattern;
 * const silu = defineRewrite({
 *   name: 'silu',
 *   pattern: op('Mul', [any('x'), op('Sigmoid', [any('x')])]),
 *   replace: ({ g, value }) =>
 *     g.one('QuickGelu', [value('x')], { domain: 'com.microsoft', attributes: { alpha: { float: 1 } } }),
 * });
 * ```
 *
 * Nodes within the pattern must have no other use, unless they are marked `shared`; `checkRewrite` of the testkit proves
 * that a rule keeps what is computed.
 */
export function defineRewrite(definition: RewriteDefinition): Rewrite {
  return { ...definition, roots: definition.pattern.ops };
}

/** What {@link applyRewrites} did. */
export interface Rewritten {
  /** With the rules applied. */
  readonly graph: Graph;
  /** How often each rule was applied, by name; rules that were not are left out. */
  readonly applied: Readonly<Record<string, number>>;
}

/** A rule may make room for another; rules that undo each other must not go on for ever. */
const MAX_PASSES = 8;

/**
 * Applies rules until none applies any more. At a node the first rule in the list that fits wins; new nodes belong to
 * the module of the node that they replace.
 */
export function applyRewrites(graph: Graph, rules: readonly Rewrite[]): Rewritten {
  const byRoot = new Map<string, Rewrite[]>();
  for (const rule of rules) for (const key of rule.roots) byRoot.set(key, [...(byRoot.get(key) ?? []), rule]);
  const applied: Record<string, number> = {};
  let current = graph;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const next = onePass(current, byRoot, applied);
    if (next === undefined) break;
    current = next;
  }
  return { graph: current, applied };
}

/** Where a rule fits. */
interface Place {
  /** The node as it is in the graph before: a copy differs where inner graphs have been moved to the new graph. */
  readonly node: Node;
  readonly candidates: readonly { readonly rule: Rewrite; readonly found: Found }[];
}

function placesOf(graph: Graph, byRoot: ReadonlyMap<string, readonly Rewrite[]>): Map<Value | undefined, Place> {
  const places = new Map<Value | undefined, Place>();
  if (!graph.nodes.some((node) => byRoot.has(opKey(node.domain, node.op)))) return places;
  const matcher = new Matcher(graph, usedBy);
  for (const node of graph.nodes) {
    const candidates: { rule: Rewrite; found: Found }[] = [];
    for (const rule of byRoot.get(opKey(node.domain, node.op)) ?? []) {
      const found = matcher.match(rule.pattern, node);
      if (found) candidates.push({ rule, found });
    }
    if (candidates.length > 0) places.set(keyOf(node), { node, candidates });
  }
  return places;
}

function onePass(
  graph: Graph,
  byRoot: ReadonlyMap<string, readonly Rewrite[]>,
  applied: Record<string, number>,
): Graph | undefined {
  // Every last pass ends here: to see that no rule fits takes a fraction of copying the graph.
  const places = placesOf(graph, byRoot);
  if (places.size === 0) return undefined;
  const current = new Map<Value, Value>();
  let count = 0;
  const result = rewrite(graph, {
    node: (copy, inputs, g) => {
      copy.inputs.forEach((value, i) => {
        const now = inputs[i];
        if (value && now) current.set(value, now);
      });
      const place = places.get(keyOf(copy));
      for (const { rule, found } of place?.candidates ?? []) {
        const { node } = place as Place;
        const values = replaced(rule, matchOf(node, inputs, g, found, current), node.scope);
        if (values === undefined) continue;
        applied[rule.name] = (applied[rule.name] ?? 0) + 1;
        count++;
        return values;
      }
      return undefined;
    },
  });
  return count === 0 ? undefined : result;
}

/** Nodes are told apart by their results, which no other node has. */
function keyOf(node: Node): Value | undefined {
  return node.outputs.find((value) => value !== undefined);
}

function replaced(rule: Rewrite, match: Match, scope: string): readonly (Value | undefined)[] | undefined {
  const result = scope === '' ? rule.replace(match) : match.g.scope(scope, () => rule.replace(match));
  return result === undefined || Array.isArray(result) ? (result as readonly Value[] | undefined) : [result as Value];
}

/** The view that a rule gets of one node whose inputs it takes as they are. */
export function matchOf(
  node: Node,
  inputs: readonly (Value | undefined)[],
  g: GraphBuilder,
  found: Found,
  current: ReadonlyMap<Value, Value> = new Map(),
): Match {
  const known = <T>(map: ReadonlyMap<string, T>, name: string): T => {
    const item = map.get(name);
    if (item === undefined) throw new Error(`the pattern names nothing "${name}"`);
    return item;
  };
  const match: Match = {
    node,
    inputs,
    g,
    ops: g.ops,
    value: (name) => match.current(known(found.values, name)),
    numbers: (name) => toNumbers(known(found.constants, name)),
    number: (name) => match.numbers(name)[0] as number,
    nodeOf: (name) => known(found.nodes, name),
    current: (value) => current.get(value) ?? value,
  };
  return match;
}
