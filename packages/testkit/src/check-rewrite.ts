import {
  applyRewrites,
  type Graph,
  GraphBuilder,
  interpret,
  type Rewrite,
  sizeOf,
  tensor,
  type TensorData,
  type Tensors,
  type Value,
} from '@anneal/graph';
import { differenceOf, type Tolerance } from './compare.ts';
import { seededRandom, seedOf } from './seeded.ts';

/** A graph in which a rule applies. Sizes must be numbers. */
export interface RewriteCase {
  /** What is special about it. */
  readonly name: string;
  /** Builds the graph and returns its outputs; inputs that it declares are drawn at random. */
  readonly build: (g: GraphBuilder) => Value | readonly Value[];
  /** Elements of inputs that must not be random, by name. */
  readonly feeds?: Tensors | undefined;
  /** How often the rule applies; `0` where it must not. @defaultValue `1` */
  readonly times?: number | undefined;
  /** Of outputs. */
  readonly tolerance?: Tolerance | undefined;
}

/** How {@link checkRewrite} goes about it. */
export interface CheckRewriteOptions {
  /**
   * Computes the outputs of the graph before the rule, where the reference interpreter does not know its operators.
   * @defaultValue the reference interpreter
   */
  readonly original?: ((graph: Graph, feeds: Tensors) => Promise<Readonly<Record<string, TensorData>>>) | undefined;
  /** Random draws of the inputs for each case. @defaultValue `3` */
  readonly draws?: number | undefined;
  /** Rules that are applied together. @defaultValue the rule alone */
  readonly rules?: readonly Rewrite[] | undefined;
}

const TOLERANCE: Tolerance = { absolute: 1e-5, relative: 1e-4 };

/**
 * Proves on seeded random inputs that a rule keeps what graphs compute: it applies as often as it should, types and names
 * of outputs stay, and all elements are close.
 *
 * @throws Error that names the rule, the case and the elements that differ.
 */
export async function checkRewrite(
  rule: Rewrite,
  cases: readonly RewriteCase[],
  options: CheckRewriteOptions = {},
): Promise<void> {
  const { original = interpret, draws = 3, rules = [rule] } = options;
  if (cases.length === 0) throw new Error(`${rule.name}: no cases`);
  for (const test of cases) {
    const what = `${rule.name}, ${test.name}`;
    const before = graphOf(test);
    const { graph: after, applied } = applyRewrites(before, rules);
    const [times, wanted] = [applied[rule.name] ?? 0, test.times ?? 1];
    if (times !== wanted) throw new Error(`${what}: applied ${times} times instead of ${wanted}`);
    for (const [name, value] of before.outputs) {
      const [was, is] = [typeOf(value), typeOf(after.outputs.get(name))];
      if (was !== is) throw new Error(`${what}: output "${name}" was ${was} and is ${is}`);
    }
    for (let draw = 0; draw < draws; draw++) {
      const feeds = feedsOf(before, test, draw);
      const [expected, actual] = [await original(before, feeds), await interpret(after, feeds)];
      for (const [name, value] of Object.entries(expected)) {
        const got = actual[name];
        const difference = got ? differenceOf(got, value, test.tolerance ?? TOLERANCE) : 'it is not there';
        if (difference !== undefined) throw new Error(`${what}, draw ${draw}, output "${name}": ${difference}`);
      }
    }
  }
}

function graphOf({ build }: RewriteCase): Graph {
  const g = new GraphBuilder();
  const result = build(g);
  (Array.isArray(result) ? (result as readonly Value[]) : [result as Value]).forEach((value, i) =>
    g.output(`y${i}`, value),
  );
  return g.build();
}

function typeOf(value: Value | undefined): string {
  return value ? `${value.dtype}[${value.shape.join(', ')}]` : 'missing';
}

/** Integers are 0 or 1, which suits indices, masks and flags. */
function feedsOf(graph: Graph, { name: label, feeds = {} }: RewriteCase, draw: number): Record<string, TensorData> {
  const drawn: Record<string, TensorData> = {};
  for (const [name, { dtype, dims }] of graph.inputs) {
    const random = seededRandom(seedOf(`${label}/${name}/${draw}`));
    const float = dtype.includes('float');
    const next = (): number => (float ? random() * 4 - 2 : Math.floor(random() * 2));
    drawn[name] = feeds[name] ?? tensor(dtype, dims, Array.from({ length: sizeOf(dims) }, next));
  }
  return drawn;
}
