import { DTYPES } from '../dtype.ts';
import { opKey } from '../infer/index.ts';
import type { Attribute, Graph, Node, Value } from '../ir.ts';
import { toNumbers } from '../interpret/array.ts';
import { sizeOf, type TensorData } from '../tensor.ts';

/** What a value must be for a rule to apply; made by `any`, `constant`, `op` and `oneOf` of {@link pattern}. */
export type Pattern =
  | { readonly kind: 'any'; readonly name: string; readonly test: (value: Value) => boolean }
  | { readonly kind: 'constant'; readonly name: string | undefined; readonly test: (data: TensorData) => boolean }
  | { readonly kind: 'oneOf'; readonly choices: readonly Pattern[] }
  | OpPattern;

/** A number is a constant whose elements all are that number. */
export type PatternLike = Pattern | number;

/** An operator with its inputs. */
export interface OpPattern extends OpOptions {
  /** Tells it from other patterns. */
  readonly kind: 'op';
  /** Keys, any of which will do. */
  readonly ops: readonly string[];
  /** `undefined`: whatever they are. */
  readonly inputs: readonly Pattern[] | undefined;
}

/** What `pattern.op` asks besides operator and inputs. */
export interface OpOptions {
  /** What the node is found as in `match.nodes`; the same name twice is the same node. */
  readonly name?: string | undefined;
  /** Which of the node's outputs the value is. @defaultValue `0` */
  readonly output?: number | undefined;
  /** Whether others may use the node's results too. The node then stays for them. @defaultValue `false` */
  readonly shared?: boolean | undefined;
  /** What else must hold for the node. */
  readonly where?: ((node: Node) => boolean) | undefined;
}

/** Any value; the same name twice is the same value. */
export function any(name: string, test: (value: Value) => boolean = () => true): Pattern {
  return { kind: 'any', name, test };
}

/** Numbers in exported models are rounded, to float16 at worst. */
const CLOSE = 1e-3;

/** A constant whose elements all are `number`, up to the rounding of 16-bit floats. */
export function number(value: number): Pattern {
  const close = (item: number): boolean => Math.abs(item - value) <= CLOSE * Math.abs(value);
  return constant(undefined, (data) => sizeOf(data.shape) > 0 && toNumbers(data).every(close));
}

/** A constant of numbers, found by `match.numbers(name)`. */
export function constant(name?: string, test: (data: TensorData) => boolean = () => true): Pattern {
  const numeric = ({ dtype }: TensorData): boolean => !['string', 'complex'].includes(DTYPES[dtype].kind);
  return { kind: 'constant', name, test: (data) => numeric(data) && test(data) };
}

/** A constant of one element. */
export function scalar(name: string, test: (value: number) => boolean = () => true): Pattern {
  return constant(name, (data) => sizeOf(data.shape) === 1 && test(toNumbers(data)[0] as number));
}

/**
 * The result of an operator, by key (`'Add'`, `'com.microsoft.Gelu'`), or of one of several. Inputs of commutative
 * operators match in any order; a `number` is a constant; inputs that are not listed must not be there. Without `inputs`
 * they may be anything.
 */
export function op(
  keys: string | readonly string[],
  inputs?: readonly PatternLike[],
  options: OpOptions = {},
): OpPattern {
  return {
    ...options,
    kind: 'op',
    ops: typeof keys === 'string' ? [keys] : keys,
    inputs: inputs?.map((item) => (typeof item === 'number' ? number(item) : item)),
  };
}

/** The first of several that fits. */
export function oneOf(...choices: readonly Pattern[]): Pattern {
  return { kind: 'oneOf', choices };
}

/** Whether an attribute has a value, or is absent where that is the default. */
export function attributeIs(name: string, value: number | string, fallback?: number | string): (node: Node) => boolean {
  return ({ attributes }) => {
    const attribute: Attribute | undefined = attributes[name];
    const actual = attribute === undefined ? fallback : Object.values(attribute)[0];
    return actual === value;
  };
}

/** What patterns are made of. */
export const pattern: {
  readonly any: typeof any;
  readonly constant: typeof constant;
  readonly scalar: typeof scalar;
  readonly number: typeof number;
  readonly op: typeof op;
  readonly oneOf: typeof oneOf;
  readonly attributeIs: typeof attributeIs;
} = { any, constant, scalar, number, op, oneOf, attributeIs };

const COMMUTATIVE: ReadonlySet<string> = new Set(['Add', 'Mul', 'Min', 'Max', 'And', 'Or', 'Xor', 'Equal', 'Sum']);

/** What has been found so far. Immutable: a dead end goes back to an earlier one. */
export interface Found {
  readonly values: ReadonlyMap<string, Value>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly constants: ReadonlyMap<string, TensorData>;
  /** Nodes that the pattern covers, except those that may be shared. */
  readonly inner: ReadonlySet<Node>;
}

const NOTHING: Found = { values: new Map(), nodes: new Map(), constants: new Map(), inner: new Set() };

/** Looks for patterns in one graph. */
export class Matcher {
  readonly #graph: Graph;
  readonly #producers = new Map<Value, Node>();
  readonly #users = new Map<Value, Set<Node | 'outside'>>();

  constructor(graph: Graph, usedBy: (node: Node) => readonly (Value | undefined)[]) {
    this.#graph = graph;
    for (const node of graph.nodes) {
      for (const value of node.outputs) if (value) this.#producers.set(value, node);
      for (const value of usedBy(node)) if (value) this.#use(value, node);
    }
    for (const value of graph.outputs.values()) this.#use(value, 'outside');
  }

  /** The way in which a node is what the pattern says, with nothing within used elsewhere. */
  match(pattern: OpPattern, root: Node): Found | undefined {
    for (const found of this.#node(pattern, root, NOTHING)) {
      if (this.#isClosed(found, root)) return found;
    }
    return undefined;
  }

  #use(value: Value, user: Node | 'outside'): void {
    const users = this.#users.get(value) ?? new Set();
    users.add(user);
    this.#users.set(value, users);
  }

  #isClosed({ inner }: Found, root: Node): boolean {
    for (const node of inner) {
      if (node === root) continue;
      for (const value of node.outputs) {
        for (const user of (value && this.#users.get(value)) ?? []) {
          if (user === 'outside' || !inner.has(user)) return false;
        }
      }
    }
    return true;
  }

  *#value(pattern: Pattern, value: Value | undefined, found: Found): Generator<Found> {
    if (value === undefined) return;
    switch (pattern.kind) {
      case 'any': {
        const known = found.values.get(pattern.name);
        if (known === value) yield found;
        else if (known === undefined && pattern.test(value)) {
          yield { ...found, values: new Map(found.values).set(pattern.name, value) };
        }
        return;
      }
      case 'constant': {
        const data = this.#graph.constants.get(value);
        if (data === undefined || !pattern.test(data)) return;
        if (pattern.name === undefined) yield found;
        else yield { ...found, constants: new Map(found.constants).set(pattern.name, data) };
        return;
      }
      case 'oneOf':
        for (const choice of pattern.choices) yield* this.#value(choice, value, found);
        return;
      case 'op': {
        const node = this.#producers.get(value);
        if (node?.outputs[pattern.output ?? 0] === value) yield* this.#node(pattern, node, found);
      }
    }
  }

  *#node(pattern: OpPattern, node: Node, found: Found): Generator<Found> {
    const { ops, inputs, name, shared = false, where } = pattern;
    const key = opKey(node.domain, node.op);
    if (!ops.includes(key) || where?.(node) === false) return;
    const known = name === undefined ? undefined : found.nodes.get(name);
    if (known !== undefined && known !== node) return;
    const next: Found = {
      ...found,
      nodes: name === undefined ? found.nodes : new Map(found.nodes).set(name, node),
      inner: shared ? found.inner : new Set(found.inner).add(node),
    };
    if (inputs === undefined) {
      yield next;
      return;
    }
    if (node.inputs.length > inputs.length && node.inputs.slice(inputs.length).some((value) => value)) return;
    yield* this.#inputs(inputs, node.inputs, 0, next);
    const [first, second, ...rest] = inputs;
    if (first && second && rest.length === 0 && COMMUTATIVE.has(key)) {
      yield* this.#inputs([second, first], node.inputs, 0, next);
    }
  }

  *#inputs(
    patterns: readonly Pattern[],
    values: readonly (Value | undefined)[],
    at: number,
    found: Found,
  ): Generator<Found> {
    const pattern = patterns[at];
    if (pattern === undefined) {
      yield found;
      return;
    }
    for (const next of this.#value(pattern, values[at], found)) yield* this.#inputs(patterns, values, at + 1, next);
  }
}
