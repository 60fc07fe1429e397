import { attributes, type CaseSpec, type CaseTable, constant, float, given, of, random } from './spec.ts';

const withAxis = (axis: number): Pick<CaseSpec, 'attributes'> => ({ attributes: attributes({ axis }) });

function softmax(): CaseSpec[] {
  return [
    of('last axis', [random([2, 3, 4])]),
    of('first axis', [random([2, 3])], withAxis(0)),
    of('negative axis', [random([2, 3, 2])], withAxis(-2)),
    of('large numbers', [given([1000, 1001, -1000, 5], [2, 2])]),
    of('masked', [given([-Infinity, 1, 2, 0], [2, 2])]),
    of('masked altogether', [given([-Infinity, -Infinity], [1, 2])]),
    of('NaN', [given([Number.NaN, 1], [1, 2])]),
    of('ties', [given([1, 1, 2, 2], [1, 4])]),
    of('nothing', [random([0, 3])]),
    of('before opset 13', [random([2, 3, 2])], { ...withAxis(1), opset: 12 }),
    of('float64', [random([2, 3], -2, 2, 'float64')]),
  ];
}

const TRILU = [-1, 0, 2, -7];

function trilu(upper: number): CaseSpec[] {
  const side = upper === 1 ? 'upper' : 'lower';
  return TRILU.map((k) =>
    of(`${side}, diagonal ${k}`, [random([2, 3, 4]), constant([k], [])], { attributes: attributes({ upper }) }),
  );
}

function reduction(low: number = -2): CaseSpec[] {
  const keep = (keepdims: number): CaseSpec['attributes'] => attributes({ keepdims });
  return [
    of('all', [random([2, 3], low, 2)]),
    of('all, dropped', [random([2, 3], low, 2)], { attributes: keep(0) }),
    of('last axis', [random([2, 3, 2], low, 2), constant([-1])], { attributes: keep(0) }),
    of('first axis', [random([2, 3], low, 2), constant([0])]),
    of('outer axes', [random([2, 3, 4], low, 2), constant([0, 2])], { attributes: keep(0) }),
    of('no axes', [random([3], low, 2), constant([], [0])], { attributes: attributes({ noop_with_empty_axes: 1 }) }),
    of('a scalar', [random([], low, 2)]),
    of('one element', [random([1, 1], low, 2)], { attributes: keep(0) }),
    of('int32', [random([2, 3], 1, 9, 'int32'), constant([1])]),
    of('float64', [random([2, 3], low, 2, 'float64'), constant([1])]),
    of('float16', [random([2, 3], low, 2, 'float16'), constant([1])]),
    of('seven axes', [random([2, 1, 2, 3, 1, 2, 2], low, 2), constant([0, 3, -1])]),
    of('middle axis', [random([2, 3, 4], low, 2), constant([1])]),
  ];
}

/** Reductions that an empty set has a value for. */
function total(low: number = -2): CaseSpec[] {
  return [...reduction(low), of('over nothing', [random([2, 0]), constant([1])])];
}

function argBest(): CaseSpec[] {
  const ties = given([1, 3, 3, 0, 0, 2, 0, 1], [2, 4]);
  return [
    of('first axis', [random([3, 4])], { attributes: attributes({ axis: 0 }) }),
    of('last axis, dropped', [random([3, 4])], { attributes: attributes({ axis: -1, keepdims: 0 }) }),
    of('ties', [ties], { attributes: attributes({ axis: 1 }) }),
    of('ties, last', [ties], { attributes: attributes({ axis: 1, select_last_index: 1 }) }),
    of('int32', [random([5], -9, 9, 'int32')]),
    of('large integers', [given([2 ** 24, 2 ** 24 + 1, -(2 ** 31), -(2 ** 31) + 1], [4], 'int32')]),
    of('infinities', [given([Infinity, 1, -Infinity, Infinity], [2, 2])], { attributes: attributes({ axis: 1 }) }),
  ];
}

export const axes: CaseTable<
  | 'Softmax'
  | 'LogSoftmax'
  | 'Hardmax'
  | 'CumSum'
  | 'Trilu'
  | 'EyeLike'
  | 'LpNormalization'
  | 'ReduceSum'
  | 'ReduceMean'
  | 'ReduceMax'
  | 'ReduceMin'
  | 'ReduceProd'
  | 'ReduceL1'
  | 'ReduceL2'
  | 'ReduceLogSum'
  | 'ReduceLogSumExp'
  | 'ReduceSumSquare'
  | 'ArgMax'
  | 'ArgMin'
> = {
  Softmax: softmax(),
  LogSoftmax: softmax(),
  Hardmax: [
    of('last axis', [random([2, 4])]),
    of('first axis', [random([2, 4])], withAxis(0)),
    of('ties', [given([1, 1, 2, 2], [1, 4])]),
  ],
  CumSum: [
    of('first axis', [random([2, 3]), constant([0], [])]),
    of('negative axis', [random([2, 3]), constant([-1], [])]),
    of('exclusive', [random([2, 3]), constant([1], [])], { attributes: attributes({ exclusive: 1 }) }),
    of('reverse', [random([2, 3]), constant([1], [])], { attributes: attributes({ reverse: 1 }) }),
    of('exclusive and reverse', [random([2, 3]), constant([1], [])], {
      attributes: attributes({ exclusive: 1, reverse: 1 }),
    }),
    of('int64', [random([4], -9, 9, 'int64'), constant([0], [])]),
    of('exclusive of infinity', [given([1, Infinity, 2]), constant([0], [])], {
      attributes: attributes({ exclusive: 1 }),
    }),
  ],
  Trilu: [...trilu(0), ...trilu(1), of('default', [random([3, 3])]), of('int64', [random([2, 3], -9, 9, 'int64')])],
  EyeLike: [
    of('wide', [random([2, 4])]),
    of('above', [random([3, 3])], { attributes: attributes({ k: 1 }) }),
    of('below, int64', [random([3, 3])], { attributes: attributes({ k: -1, dtype: 7 }) }),
  ],
  LpNormalization: [
    of('default', [random([2, 3])]),
    of('absolute', [random([2, 3])], { attributes: attributes({ p: 1, axis: 0 }) }),
    of('zeros', [given([0, 0, 3, 4], [2, 2])]),
  ],
  ReduceSum: [
    ...total(),
    of('bounds of int64', [random([3], -100, 100, 'int64')]),
    of('large integers', [given([2 ** 24, 1, 2 ** 24, 1], [2, 2], 'int32'), constant([0])]),
    of('infinities and NaN', [given([Infinity, 1, Infinity, -Infinity, Number.NaN, 1], [3, 2]), constant([1])]),
  ],
  ReduceMean: reduction(),
  ReduceMax: [...reduction(), of('NaN', [given([1, Number.NaN, 3])]), of('int64', [random([4], -9, 9, 'int64')])],
  ReduceMin: [...reduction(), of('NaN', [given([1, Number.NaN, 3])]), of('int64', [random([4], -9, 9, 'int64')])],
  ReduceProd: total(),
  ReduceL1: total(),
  ReduceL2: total(),
  ReduceLogSum: reduction(0.1),
  ReduceLogSumExp: [
    ...reduction(),
    of('large numbers', [given([1000, 1001])]),
    of('infinities', [given([-Infinity, -Infinity, 1, Infinity], [2, 2]), constant([1])]),
  ],
  ReduceSumSquare: total(),
  ArgMax: argBest(),
  ArgMin: argBest(),
};

const x4 = random([2, 4, 3, 2]);
const channels = (size: number): ReturnType<typeof random>[] => [random([size], 0.5, 2), random([size])];

export const norms: CaseTable<
  | 'MeanVarianceNormalization'
  | 'InstanceNormalization'
  | 'GroupNormalization'
  | 'LRN'
  | 'LayerNormalization'
  | 'RMSNormalization'
  | 'SimplifiedLayerNormalization'
  | 'BatchNormalization'
> = {
  MeanVarianceNormalization: [
    of('default axes', [x4]),
    of('other axes', [random([2, 3])], { attributes: attributes({ axes: [1] }) }),
  ],
  InstanceNormalization: [
    of('images', [x4, ...channels(4)]),
    of('epsilon', [random([1, 2, 5]), ...channels(2)], { attributes: attributes({ epsilon: float(0.1) }) }),
  ],
  GroupNormalization: [
    of('groups', [x4, ...channels(4)], { attributes: attributes({ num_groups: 2 }) }),
    of('opset 18', [x4, ...channels(2)], { attributes: attributes({ num_groups: 2 }), opset: 18 }),
  ],
  LRN: [
    of('odd size', [x4], { attributes: attributes({ size: 3 }) }),
    of('even size', [x4], {
      attributes: attributes({ size: 2, alpha: float(0.1), beta: float(0.5), bias: float(2) }),
    }),
  ],
  LayerNormalization: [
    of('last axis', [random([2, 3, 4]), ...channels(4)]),
    of('statistics', [random([2, 4]), ...channels(4)], { outputs: 3 }),
    of('no bias', [random([2, 4]), random([4])], { attributes: attributes({ epsilon: float(0.01) }) }),
    of('two axes', [random([2, 3, 2]), random([3, 2]), random([3, 2])], withAxis(1)),
    of('constant rows', [given([2, 2, 2, 2], [2, 2]), ...channels(2)]),
    of('nothing', [random([0, 4]), ...channels(4)]),
  ],
  RMSNormalization: [of('last axis', [random([2, 3, 4]), random([4])], { opset: 23 })],
  SimplifiedLayerNormalization: [
    of('last axis', [random([2, 3, 4]), random([4])]),
    of('statistics', [random([2, 4]), random([4])], { outputs: 2, attributes: attributes({ epsilon: float(0.01) }) }),
  ],
  BatchNormalization: [
    of('inference', [x4, ...channels(4), random([4]), random([4], 0.1, 2)]),
    of('vectors', [random([3, 2]), ...channels(2), random([2]), random([2], 0.1, 2)], {
      attributes: attributes({ epsilon: float(0.1) }),
    }),
    of('training', [random([4, 2]), ...channels(2), random([2]), random([2], 0.1, 2)], {
      outputs: 3,
      attributes: attributes({ training_mode: 1, momentum: float(0.8) }),
    }),
  ],
};
