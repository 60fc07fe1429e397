import { seededRandom } from '@anneal/testkit';
import { type Graph, GraphBuilder, tensor, type TensorData, type Value } from '../../src/index.ts';

export interface RandomGraph {
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, TensorData>>;
}

type Pick = <T>(items: readonly T[]) => T;
type Step = (g: GraphBuilder, x: Value, pick: Pick, any: () => Value) => Value;

const isStatic = ({ shape }: Value): boolean => shape.every((dim) => typeof dim === 'number');

const int = (value: number): { int: number } => ({ int: value });

/** Steps from one float32 tensor of rank 2 to another; many of them leave something to simplify. */
const STEPS: readonly Step[] = [
  ({ ops }, x, pick) => ops.add(x, pick([0, 1, -2])),
  ({ ops }, x, pick) => ops.mul(pick([1, 0.5]), x),
  ({ ops }, x) => ops.sub(x, 0),
  ({ ops }, x) => ops.div(x, 1),
  ({ ops }, x) => ops.identity(x),
  ({ ops }, x) => ops.neg(ops.neg(x)),
  ({ ops }, x) => ops.tanh(x),
  ({ ops }, x) => ops.transpose(x),
  ({ ops }, x) => ops.transpose(ops.transpose(x)),
  ({ ops }, x) => (isStatic(x) ? ops.reshape(ops.reshape(x, [-1]), x.shape) : x),
  ({ ops }, x) => (isStatic(x) ? ops.reshape(x, x.shape.toReversed()) : x),
  ({ ops }, x) => ops.squeeze(ops.expandDims(x, [1]), [1]),
  ({ ops }, x) => ops.softmax(ops.reshape(x, [1, ...x.shape, 1]), { axis: 2 }),
  ({ ops }, x) => ops.sum(ops.expandDims(x, [0]), { axes: [0] }),
  ({ ops }, x, pick) => ops.slice(x, [{ axis: pick([0, 1]), start: 0, end: 2 ** 40 }]),
  ({ ops }, x) => ops.slice(x, [{ axis: 1, start: -1, end: -100, step: -1 }]),
  ({ ops }, x, pick) => {
    const pads: readonly (readonly [number, number])[] = pick([
      [
        [0, 0],
        [0, 0],
      ],
      [
        [1, 0],
        [0, 1],
      ],
    ]);
    return ops.pad(x, pads);
  },
  ({ ops }, x) => ops.concat([x], { axis: 0 }),
  ({ ops }, x, pick) =>
    ops.tile(
      x,
      pick([
        [1, 1],
        [2, 1],
      ]),
    ),
  ({ ops }, x) => ops.broadcastTo(x, x.shape),
  (g, x) => g.ops.where(g.ops.logicalNot(g.ops.equal(g.scalar(1, 'float32'), 2)), x, g.ops.exp(x)),
  (g, x) => g.ops.where(g.ops.greater(x, 0), x, g.ops.mul(x, 0.1)),
  (g, x) => {
    // Shape arithmetic as exporters write it: [rows · columns], then back.
    const shape = g.ops.shapeOf(x);
    const one = g.one('Gather', [shape, g.scalar(0, 'int64')], { attributes: { axis: int(0) } });
    const two = g.one('Slice', [shape, g.ints([1]), g.ints([2])]);
    const all = g.ops.mul(g.one('Unsqueeze', [one, g.ints([0])]), two);
    const flat = g.one('Reshape', [x, all]);
    return g.one('Reshape', [flat, g.ops.concat([two, g.ints([-1])], { axis: 0 })]);
  },
  (g, x) => g.ops.add(x, g.ops.cast(g.one('Size', [x]), 'float32')),
  (g, x) => g.ops.cast(g.ops.cast(x, 'float64'), 'float32'),
  (g, x) => g.one('Cast', [x], { attributes: { to: int(1) } }),
  (g, x) => g.ops.add(g.ops.sin(x), g.ops.sin(x)),
  (g, x) => g.ops.mul(x, g.ops.constant(tensor('float32', [1, 1], [1]))),
  (g, x) => g.ops.stopGradient(x),
  (g, x, _pick, any) => {
    const other = any();
    return String(other.shape) === String(x.shape) ? g.ops.add(x, other) : x;
  },
];

/** A seeded graph of up to `length` steps. */
export function randomGraph(seed: number, length: number = 12): RandomGraph {
  const next = seededRandom(seed);
  const pick: Pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
  const g = new GraphBuilder();
  const [rows, columns] = [pick([1, 2, 3]), pick([1, 2, 4])];
  const values: Value[] = [g.input('x', 'float32', [rows, columns])];
  values.push(g.parameter('w', tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6])));
  for (let i = 0; i < length; i++) {
    const any = (): Value => pick(values);
    const result = pick(STEPS)(g, any(), pick, any);
    const flat = result.rank === 2 ? result : g.ops.reshape(result, [-1, result.shape.at(-1) ?? 1]);
    values.push(flat);
  }
  g.output('last', values.at(-1) as Value);
  g.output(
    'sum',
    g.ops.sum(
      g.ops.concat(
        values.slice(2).map((v) => g.ops.reshape(v, [-1])),
        { axis: 0 },
      ),
    ),
  );
  const data = Array.from({ length: rows * columns }, () => next() * 4 - 2);
  return { graph: g.build(), feeds: { x: tensor('float32', [rows, columns], data) } };
}
