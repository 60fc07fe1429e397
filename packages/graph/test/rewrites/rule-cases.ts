import { type GraphBuilder, tensor, type Value } from '../../src/index.ts';

/** A graph of `x: float32[rows, 3]` that a rule applies to, and the operators that are left afterwards. */
export interface RuleCase {
  readonly build: (g: GraphBuilder, x: Value) => Value;
  readonly left: readonly string[];
  /** Leaves the number of rows open. @defaultValue `false` */
  readonly symbolic?: boolean;
}

/** Where nothing is left to do for the rule, only the function around it remains. */
const gone = (build: RuleCase['build']): RuleCase => ({ build: (g, x) => g.ops.exp(build(g, x)), left: ['Exp'] });

const seven = (g: GraphBuilder): Value => g.constant(tensor('float32', [3], [7, 7, 7]));

/** At least one case of every rule. */
export const RULE_CASES: Readonly<Record<string, readonly RuleCase[]>> = {
  identity: [gone(({ ops }, x) => ops.identity(x))],
  'cast to the same type': [gone((g, x) => g.one('Cast', [x], { attributes: { to: { int: 1 } } }))],
  'reshape to the same shape': [
    gone(({ ops }, x) => ops.reshape(x, [2, 3])),
    gone(({ ops }, x) => ops.squeeze(ops.expandDims(x, [0]), [0])),
    gone((g, x) => g.one('Flatten', [x])),
    { ...gone(({ ops }, x) => ops.squeeze(ops.expandDims(x, [0]), [0])), symbolic: true },
  ],
  'reshape of a reshape': [
    { build: ({ ops }, x) => ops.reshape(ops.reshape(x, [6]), [3, 2]), left: ['Reshape'] },
    { build: ({ ops }, x) => ops.expandDims(ops.reshape(ops.expandDims(x, [1]), [6]), [0]), left: ['Reshape'] },
  ],
  'transpose that moves nothing': [gone(({ ops }, x) => ops.transpose(x, [0, 1]))],
  'transpose of a transpose': [
    gone(({ ops }, x) => ops.transpose(ops.transpose(x))),
    {
      build: ({ ops }, x) => ops.transpose(ops.transpose(ops.expandDims(x, [0]), [1, 2, 0]), [2, 1, 0]),
      left: ['Unsqueeze', 'Transpose'],
    },
  ],
  'movement that changes nothing': [
    gone(({ ops }, x) => ops.broadcastTo(x, [2, 3])),
    gone(({ ops }, x) => ops.tile(x, [1, 1])),
    gone(({ ops }, x) =>
      ops.pad(x, [
        [0, 0],
        [0, 0],
      ]),
    ),
    gone(({ ops }, x) => ops.slice(x, [{ axis: 1, start: 0, end: 2 ** 40 }])),
    gone(({ ops }, x) => ops.concat([x], { axis: 1 })),
    gone(({ ops }, x) => ops.split(x, [2], { axis: 0 })[0] as Value),
  ],
  'neutral element': [
    gone(({ ops }, x) => ops.add(x, 0)),
    gone(({ ops }, x) => ops.add(0, x)),
    gone(({ ops }, x) => ops.sub(x, 0)),
    gone(({ ops }, x) => ops.mul(1, x)),
    gone(({ ops }, x) => ops.div(x, 1)),
    gone(({ ops }, x) => ops.pow(x, 1)),
    { ...gone(({ ops }, x) => ops.mul(x, 1)), symbolic: true },
  ],
  'choice that is known': [
    { build: (g, x) => g.ops.where(g.ops.greater(seven(g), 8), g.ops.sin(x), g.ops.exp(x)), left: ['Exp'] },
    { build: (g, x) => g.ops.where(g.ops.less(seven(g), 8), g.ops.sin(x), g.ops.exp(x)), left: ['Sin'] },
  ],
  'its own inverse': [
    gone(({ ops }, x) => ops.neg(ops.neg(x))),
    {
      build: ({ ops }, x) => ops.cast(ops.logicalNot(ops.logicalNot(ops.less(x, 0))), 'float32'),
      left: ['Less', 'Cast'],
    },
  ],
  'size of a static tensor': [
    { build: (g, x) => g.ops.mul(x, g.ops.cast(g.one('Size', [x]), 'float32')), left: ['Mul'] },
  ],
  'static part of a shape': [
    {
      build: (g, x) => {
        const columns = g.one('Gather', [g.ops.shapeOf(x), g.scalar(1, 'int64')]);
        return g.ops.mul(x, g.ops.cast(columns, 'float32'));
      },
      left: ['Mul'],
      symbolic: true,
    },
    {
      build: (g, x) => {
        const columns = g.one('Gather', [g.ops.shapeOf(x), g.ints([-1])]);
        return g.ops.mul(x, g.ops.cast(columns, 'float32'));
      },
      left: ['Mul'],
      symbolic: true,
    },
  ],
  'static slice of a shape': [
    {
      build: (g, x) => {
        const columns = g.one('Slice', [g.ops.shapeOf(x), g.ints([-1]), g.ints([2 ** 40])]);
        return g.ops.mul(x, g.ops.cast(columns, 'float32'));
      },
      left: ['Mul'],
      symbolic: true,
    },
  ],
};

/** Graphs that look as if a rule applied, and must stay as they are. */
export const KEPT_CASES: Readonly<Record<string, RuleCase>> = {
  'a slice backwards': {
    build: ({ ops }, x) => ops.slice(x, [{ axis: 1, start: -1, end: -100, step: -1 }]),
    left: ['Slice'],
  },
  'padding that shifts': {
    build: ({ ops }, x) =>
      ops.pad(x, [
        [0, 0],
        [1, -1],
      ]),
    left: ['Pad'],
  },
  'zero minus x': { build: ({ ops }, x) => ops.sub(0, x), left: ['Sub'] },
  'one divided by x': { build: ({ ops }, x) => ops.div(1, x), left: ['Div'] },
  'a zero that broadcasts': {
    build: (g, x) => g.ops.add(x, g.constant(tensor('float32', [2, 1, 1], [0, 0]))),
    left: ['Add'],
  },
  'a mixed condition': {
    build: (g, x) => g.ops.where(g.constant(tensor('bool', [3], [1, 0, 1])), x, g.ops.exp(x)),
    left: ['Exp', 'Where'],
  },
  'a transpose': { build: ({ ops }, x) => ops.transpose(x), left: ['Transpose'] },
  'a cut gradient': { build: ({ ops }, x) => ops.exp(ops.stopGradient(x)), left: ['StopGradient', 'Exp'] },
  dropout: { build: ({ ops }, x) => ops.exp(ops.dropout(x, { rate: 0.5 })), left: ['Dropout', 'Exp'] },
  'an open number of rows': {
    build: (g, x) => {
      const rows = g.one('Gather', [g.ops.shapeOf(x), g.scalar(0, 'int64')]);
      return g.ops.mul(x, g.ops.cast(rows, 'float32'));
    },
    left: ['Shape', 'Gather', 'Cast', 'Mul'],
    symbolic: true,
  },
};
