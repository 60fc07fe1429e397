import type { GraphBuilder } from '../builder.ts';
import { DTYPES } from '../dtype.ts';
import { opKey } from '../infer/index.ts';
import { attr, type Node, type Shape, type Value } from '../ir.ts';
import { toNumbers } from '../interpret/array.ts';
import { sizeOf, type TensorData } from '../tensor.ts';

/** What a rule sees beside the node. */
export interface Surroundings {
  /** The graph being built. */
  readonly g: GraphBuilder;
  /** The node of the new graph that computes a value. */
  readonly producerOf: (value: Value) => Node | undefined;
}

/** One way to say the same with less. `inputs` are the node's inputs in the new graph; the first one is there. */
export interface Simplification {
  /** Counted under this name. */
  readonly name: string;
  /** Keys of the operators that it applies to. */
  readonly ops: readonly string[];
  /** The value that replaces the node's first output, or `undefined` when the rule does not apply. */
  readonly apply: (node: Node, inputs: readonly (Value | undefined)[], around: Surroundings) => Value | undefined;
}

const RESHAPES: readonly string[] = ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'];

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function isStatic(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => typeof dim === 'number');
}

/** The numbers of a constant input of moderate size. */
function numbersOf(value: Value | undefined, { g }: Surroundings): Float64Array | undefined {
  const data: TensorData | undefined = value && g.constantOf(value);
  return data && sizeOf(data.shape) <= 1024 && DTYPES[data.dtype].kind !== 'string' ? toNumbers(data) : undefined;
}

function isAll(value: Value | undefined, number: number, around: Surroundings): boolean {
  const numbers = numbersOf(value, around);
  return numbers !== undefined && numbers.length > 0 && numbers.every((v) => v === number);
}

/** The value before any chain of reshapes, which keep the elements and their order. */
function beforeReshapes(value: Value, { producerOf }: Surroundings): Value {
  let current = value;
  for (;;) {
    const node = producerOf(current);
    const next = node && node.domain === '' && RESHAPES.includes(node.op) ? node.inputs[0] : undefined;
    if (next === undefined) return current;
    current = next;
  }
}

/** Positions of a scalar or vector of indices into the shape of what a `Shape` node looks at. */
function shapeSource(value: Value | undefined, { producerOf }: Surroundings): Shape | undefined {
  const node = value && producerOf(value);
  if (node?.op !== 'Shape' || node.domain !== '') return undefined;
  const shape = node.inputs[0]?.shape;
  return shape?.slice(attr.int(node, 'start', 0), attr.int(node, 'end', shape.length));
}

const NEUTRAL: Readonly<Record<string, number>> = { Add: 0, Sub: 0, Mul: 1, Div: 1, Pow: 1 };
const COMMUTATIVE: readonly string[] = ['Add', 'Mul'];

/** Every rule keeps values as they are, up to the sign of zeros. */
export const SIMPLIFICATIONS: readonly Simplification[] = [
  { name: 'identity', ops: ['Identity'], apply: (_node, [x]) => x },
  {
    name: 'cast to the same type',
    ops: ['Cast'],
    apply: ({ attributes }, [x]) => {
      const to = attributes['to'];
      return x && to && 'int' in to && DTYPES[x.dtype].onnx === to.int ? x : undefined;
    },
  },
  {
    name: 'reshape to the same shape',
    ops: RESHAPES,
    apply: (node, [x], around) => {
      const [result, source] = [node.outputs[0], x && beforeReshapes(x, around)];
      return result && source && sameShape(source.shape, result.shape) ? source : undefined;
    },
  },
  {
    name: 'reshape of a reshape',
    ops: RESHAPES,
    apply: (node, [x], around) => {
      const [result, source] = [node.outputs[0], x && beforeReshapes(x, around)];
      if (result === undefined || source === undefined || source === x || !isStatic(result.shape)) return undefined;
      // A zero would copy a dimension of the source.
      if (result.shape.includes(0)) return undefined;
      return around.g.one('Reshape', [source, around.g.ints(result.shape)], { scope: node.scope });
    },
  },
  {
    name: 'transpose that moves nothing',
    ops: ['Transpose'],
    apply: (node, [x]) => (x && permOf(node, x.rank).every((axis, i) => axis === i) ? x : undefined),
  },
  {
    name: 'transpose of a transpose',
    ops: ['Transpose'],
    apply: (node, [x], { g, producerOf }) => {
      const inner = x && producerOf(x);
      const source = inner?.inputs[0];
      if (inner?.op !== 'Transpose' || inner.domain !== '' || source === undefined) return undefined;
      const first = permOf(inner, source.rank);
      const perm = permOf(node, source.rank).map((axis) => first[axis] as number);
      if (perm.every((axis, i) => axis === i)) return source;
      return g.one('Transpose', [source], { attributes: { perm: { ints: perm } }, scope: node.scope });
    },
  },
  {
    name: 'movement that changes nothing',
    ops: ['Expand', 'Tile', 'Pad', 'Slice', 'Concat', 'Split'],
    apply: (node, inputs, around) => {
      const [x, result] = [inputs[0], node.outputs[0]];
      if (x === undefined || result === undefined || !isStatic(x.shape) || !sameShape(x.shape, result.shape)) {
        return undefined;
      }
      // Of the same shape, these can still have moved elements within it.
      if (node.op === 'Concat' && inputs.length > 1) return undefined;
      if (node.op === 'Split' && node.outputs.length > 1) return undefined;
      if (node.op === 'Slice' && inputs[4] && !isAll(inputs[4], 1, around)) return undefined;
      return node.op === 'Pad' && !isAll(inputs[1], 0, around) ? undefined : x;
    },
  },
  {
    name: 'neutral element',
    ops: Object.keys(NEUTRAL),
    apply: (node, [a, b], around) => {
      const [neutral, result] = [NEUTRAL[node.op] as number, node.outputs[0]];
      const kept = (x: Value | undefined, other: Value | undefined): Value | undefined =>
        x && result && sameShape(x.shape, result.shape) && isAll(other, neutral, around) ? x : undefined;
      return kept(a, b) ?? (COMMUTATIVE.includes(node.op) ? kept(b, a) : undefined);
    },
  },
  {
    name: 'choice that is known',
    ops: ['Where'],
    apply: (node, [condition, a, b], around) => {
      const result = node.outputs[0];
      const chosen = isAll(condition, 1, around) ? a : isAll(condition, 0, around) ? b : undefined;
      return chosen && result && sameShape(chosen.shape, result.shape) ? chosen : undefined;
    },
  },
  {
    name: 'its own inverse',
    ops: ['Neg', 'Not'],
    apply: (node, [x], { producerOf }) => {
      const inner = x && producerOf(x);
      return inner?.op === node.op && inner.domain === '' ? inner.inputs[0] : undefined;
    },
  },
  {
    name: 'size of a static tensor',
    ops: ['Size'],
    apply: (_node, [x], { g }) => (x && isStatic(x.shape) ? g.scalar(sizeOf(x.shape), 'int64') : undefined),
  },
  {
    name: 'static part of a shape',
    ops: ['Gather'],
    apply: (node, [shape, indices], around) => {
      const [dims, at] = [shapeSource(shape, around), numbersOf(indices, around)];
      if (dims === undefined || at === undefined || attr.int(node, 'axis', 0) > 0) return undefined;
      const picked = Array.from(at, (i) => dims.at(i));
      if (!picked.every((dim) => typeof dim === 'number')) return undefined;
      if (indices?.rank === 0) return around.g.scalar(picked[0] as number, 'int64');
      return indices?.rank === 1 ? around.g.ints(picked) : undefined;
    },
  },
  {
    name: 'static slice of a shape',
    ops: ['Slice'],
    apply: (_node, [shape, starts, ends, , steps], around) => {
      const dims = shapeSource(shape, around);
      const [start, end] = [numbersOf(starts, around)?.[0], numbersOf(ends, around)?.[0]];
      if (dims === undefined || start === undefined || end === undefined) return undefined;
      if (steps && !isAll(steps, 1, around)) return undefined;
      const part = dims.slice(start, end);
      return isStatic(part) ? around.g.ints(part) : undefined;
    },
  },
];

function permOf(node: Node, rank: number): readonly number[] {
  return attr.ints(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

/** Rules by operator, so that a node meets only its own. */
const BY_OPERATOR: ReadonlyMap<string, readonly Simplification[]> = new Map(
  SIMPLIFICATIONS.flatMap(({ ops }) => ops).map((key) => [key, SIMPLIFICATIONS.filter(({ ops }) => ops.includes(key))]),
);

export function rulesOf(node: Node): readonly Simplification[] {
  return BY_OPERATOR.get(opKey(node.domain, node.op)) ?? [];
}
