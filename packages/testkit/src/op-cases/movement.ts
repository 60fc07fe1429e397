import { attributes, type CaseSpec, type CaseTable, constant, given, of, random } from './spec.ts';

const axis = (value: number): Pick<CaseSpec, 'attributes'> => ({ attributes: attributes({ axis: value }) });

function slices(): CaseSpec[] {
  const x = random([4, 5]);
  const cut = (label: string, starts: number[], ends: number[], axes?: number[], steps?: number[]): CaseSpec =>
    of(label, [x, constant(starts), constant(ends), axes && constant(axes), steps && constant(steps)]);
  return [
    cut('both axes', [1, 0], [3, 4]),
    cut('one axis', [1], [4], [1]),
    cut('negative positions', [-3], [-1], [-1]),
    cut('beyond the end', [1], [2 ** 40], [0]),
    cut('steps', [0, 0], [4, 5], [0, 1], [2, 3]),
    cut('backwards', [-1], [-100], [1], [-1]),
    cut('backwards in steps', [4], [0], [1], [-2]),
    cut('backwards from beyond', [100], [1], [1], [-3]),
    cut('backwards from before the start', [-100], [-200], [1], [-1]),
    cut('nothing left', [3], [1], [0]),
    of('int64', [random([6], -9, 9, 'int64'), constant([1]), constant([5]), undefined, constant([2])]),
    of('bool', [given([1, 0, 1], [3], 'bool'), constant([1]), constant([3])]),
    of('of nothing', [random([0, 3]), constant([0]), constant([2]), constant([1])]),
  ];
}

function pads(): CaseSpec[] {
  const pad = (label: string, mode: string, shape: number[], amounts: number[]): CaseSpec =>
    of(label, [random(shape), constant(amounts)], { attributes: attributes({ mode }) });
  return [
    pad('zeros', 'constant', [2, 3], [0, 1, 2, 1]),
    of('a value', [random([2, 2]), constant([1, 0, 0, 1]), constant([7], [], 'float32')]),
    pad('crop', 'constant', [3, 4], [-1, 0, 1, -2]),
    of('some axes', [random([2, 3]), constant([1, 2]), constant([5], [], 'float32'), constant([-1])]),
    pad('reflect', 'reflect', [3, 4], [1, 2, 2, 3]),
    pad('edge', 'edge', [2, 3], [1, 2, 2, 1]),
    pad('wrap', 'wrap', [2, 3], [1, 2, 1, 3]),
    pad('reflect and crop', 'reflect', [4, 4], [-1, 1, 0, 2]),
    pad('edge and crop', 'edge', [3, 3], [1, -1, -1, 2]),
    of('int64', [random([3], -9, 9, 'int64'), constant([1, 1]), constant([4], [])]),
    pad('of nothing', 'constant', [0, 2], [1, 0, 1, 0]),
  ];
}

export const movement: CaseTable<
  | 'Reshape'
  | 'Squeeze'
  | 'Unsqueeze'
  | 'Flatten'
  | 'Transpose'
  | 'Expand'
  | 'Tile'
  | 'Concat'
  | 'Split'
  | 'Slice'
  | 'Pad'
  | 'Shape'
  | 'Size'
  | 'ConstantOfShape'
  | 'Range'
  | 'Constant'
> = {
  Reshape: [
    of('flat', [random([2, 3]), constant([6])]),
    of('inferred', [random([2, 3, 4]), constant([-1, 6])]),
    of('copied', [random([2, 3, 4]), constant([0, -1])]),
    of('zeros are sizes', [random([0, 3]), constant([3, 0])], { attributes: attributes({ allowzero: 1 }) }),
    of('a scalar', [random([1, 1]), constant([], [0])]),
    of('computed shape', [random([2, 3]), given([3, 2], [2], 'int64')]),
    of('bool', [given([1, 0], [2], 'bool'), constant([2, 1])]),
  ],
  Squeeze: [
    of('all', [random([1, 3, 1])]),
    of('some', [random([1, 3, 1]), constant([-1])]),
    of('attribute', [random([1, 3])], { attributes: attributes({ axes: [0] }), opset: 12 }),
  ],
  Unsqueeze: [
    of('front and back', [random([2, 3]), constant([0, -1])]),
    of('out of order', [random([2, 3]), constant([3, 1])]),
    of('attribute', [random([3])], { attributes: attributes({ axes: [1] }), opset: 12 }),
    of('a scalar', [random([]), constant([0])]),
  ],
  Flatten: [
    of('default', [random([2, 3, 2])]),
    of('all', [random([2, 3])], axis(0)),
    of('negative', [random([2, 3, 2])], axis(-1)),
  ],
  Transpose: [
    of('reversed', [random([2, 3, 4])]),
    of('permuted', [random([2, 3, 4])], { attributes: attributes({ perm: [1, 2, 0] }) }),
    of('four axes', [random([2, 3, 2, 2])], { attributes: attributes({ perm: [0, 2, 1, 3] }) }),
    of('int64', [random([2, 2], -9, 9, 'int64')]),
    of('bool', [given([1, 0, 0, 1, 1, 1], [2, 3], 'bool')]),
    of('large integers', [given([2 ** 24 + 1, -(2 ** 31), 2 ** 31 - 1, 3], [2, 2], 'int32')]),
    of('seven axes', [random([2, 3, 1, 2, 2, 1, 2])]),
    of('nothing', [random([0, 2])]),
  ],
  Expand: [
    of('rows', [random([1, 3]), constant([2, 3])]),
    of('new axes', [random([3, 1]), constant([2, 1, 4])]),
    of('smaller target', [random([2, 3]), constant([1])]),
    of('computed shape', [random([1, 2]), given([3, 2], [2], 'int64')]),
    of('to nothing', [random([1, 3]), constant([0, 3])]),
    of('bool', [given([1, 0], [2, 1], 'bool'), constant([2, 3])]),
    of('a scalar', [random([]), constant([2, 2])]),
    of('seven axes', [random([2, 1, 1, 2, 1, 1, 1]), constant([1, 2, 1, 2, 2, 1, 3])]),
  ],
  Tile: [
    of('both axes', [random([2, 3]), constant([2, 2])]),
    of('one axis', [random([2, 1, 2]), constant([1, 3, 1])]),
    of('to nothing', [random([2]), constant([0])]),
    of('bool', [given([1, 0], [2], 'bool'), constant([2])]),
  ],
  Concat: [
    of('first axis', [random([1, 3]), random([2, 3])], axis(0)),
    of('negative axis', [random([2, 1]), random([2, 3]), random([2, 2])], axis(-1)),
    of('with nothing', [random([2, 0]), random([2, 2])], axis(1)),
    of('one', [random([2])], axis(0)),
    of('int64', [random([2], -9, 9, 'int64'), random([1], -9, 9, 'int64')], axis(0)),
    of('bool', [given([1, 0], [2], 'bool'), given([1], [1], 'bool')], axis(0)),
  ],
  Split: [
    of('sizes', [random([2, 5]), constant([2, 3])], { ...axis(1), outputs: 2 }),
    of('equal', [random([6])], { attributes: attributes({ axis: 0, num_outputs: 3 }), outputs: 3 }),
    of('uneven', [random([7, 2])], { attributes: attributes({ axis: 0, num_outputs: 3 }), outputs: 3 }),
    of('an empty one', [random([3]), constant([0, 3])], { ...axis(0), outputs: 2 }),
    of('attribute', [random([2, 4])], { attributes: attributes({ axis: -1, split: [1, 3] }), opset: 12, outputs: 2 }),
  ],
  Slice: slices(),
  Pad: pads(),
  Shape: [
    of('whole', [random([2, 3, 4])]),
    of('part', [random([2, 3, 4])], { attributes: attributes({ start: 1, end: -1 }) }),
    of('clamped', [random([2, 3])], { attributes: attributes({ start: -5, end: 9 }) }),
    of('a scalar', [random([])]),
  ],
  Size: [of('some', [random([2, 3])]), of('none', [random([2, 0])])],
  ConstantOfShape: [
    of('zeros', [constant([2, 3])]),
    of('ones', [constant([2])], {
      attributes: { value: { tensor: { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) } } },
    }),
    of('a scalar', [constant([], [0])]),
    of('nothing', [constant([0, 2])]),
  ],
  Range: [
    of('up', [constant([1], []), constant([10], []), constant([3], [])]),
    of('down', [constant([10], []), constant([1], []), constant([-4], [])]),
    of('floats', [constant([0], [], 'float32'), constant([1], [], 'float32'), constant([0.3], [], 'float32')]),
    of('nothing', [constant([3], []), constant([3], []), constant([1], [])]),
    of('computed', [given([0], [], 'int64'), given([4], [], 'int64'), given([1], [], 'int64')]),
  ],
  Constant: [
    of('floats', [], {
      attributes: { value: { tensor: { dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) } } },
    }),
  ],
};

const scatter = (reduction: string, value = 0): Pick<CaseSpec, 'attributes'> => ({
  attributes: attributes({ axis: value, reduction }),
});

const REDUCTIONS: readonly string[] = ['add', 'mul', 'max', 'min'];

const repeated = given([1, 1, 1, 0, -1, 1], [2, 3], 'int64');

export const indexing: CaseTable<
  'Gather' | 'GatherElements' | 'GatherND' | 'ScatterElements' | 'ScatterND' | 'OneHot' | 'NonZero' | 'TopK'
> = {
  Gather: [
    of('rows', [random([4, 3]), given([3, 0, 3], [3], 'int64')]),
    of('columns', [random([2, 4]), given([1, -1], [2], 'int64')], axis(1)),
    of('a matrix of indices', [random([3, 2]), given([0, 2, 1, -3], [2, 2], 'int32')]),
    of('a scalar', [random([3, 2]), constant([1], [])]),
    of('no index', [random([3, 2]), given([], [0], 'int64')]),
    of('negative axis', [random([2, 3, 2]), given([2, 0], [2], 'int64')], axis(-2)),
    of('large integers', [given([2 ** 24 + 1, -(2 ** 31), 2 ** 31 - 1], [3], 'int32'), given([2, 0], [2], 'int64')]),
    of('bool', [given([1, 0, 1], [3], 'bool'), given([2, 1], [2], 'int64')]),
  ],
  GatherElements: [
    of('first axis', [random([3, 3]), given([1, 2, 0, 2, 0, 0], [2, 3], 'int64')]),
    of('last axis', [random([2, 3]), given([0, 0, -1, 2], [2, 2], 'int64')], axis(1)),
  ],
  GatherND: [
    of('elements', [random([2, 3]), given([0, 2, 1, -1], [2, 2], 'int64')]),
    of('rows', [random([3, 2]), given([2, 0], [2, 1], 'int64')]),
    of('batches', [random([2, 3, 2]), given([1, 0], [2, 1], 'int64')], { attributes: attributes({ batch_dims: 1 }) }),
  ],
  ScatterElements: [
    of('rows', [random([3, 3]), given([1, 0, 2, 0, 2, 1], [2, 3], 'int64'), random([2, 3])], axis(0)),
    of('columns', [random([2, 4]), given([3, -4], [2, 1], 'int64'), random([2, 1])], axis(1)),
    ...REDUCTIONS.map((reduction) =>
      of(`${reduction} with repeats`, [random([3, 3]), repeated, random([2, 3])], scatter(reduction)),
    ),
    of('nothing', [random([2, 2]), given([], [0, 2], 'int64'), random([0, 2])], axis(0)),
    of(
      'infinities and NaN',
      [random([3]), given([1, 1, 0], [3], 'int64'), given([Infinity, 1, Number.NaN])],
      scatter('add'),
    ),
    of('int64', [random([4], -9, 9, 'int64'), given([2, 0], [2], 'int64'), random([2], -9, 9, 'int64')], axis(0)),
  ],
  ScatterND: [
    of('rows', [random([4, 2]), given([3, 1], [2, 1], 'int64'), random([2, 2])]),
    of('elements', [random([2, 3]), given([0, 2, 1, -1], [2, 2], 'int64'), random([2])]),
    ...REDUCTIONS.map((reduction) =>
      of(`${reduction} with repeats`, [random([3, 2]), given([1, 1, 0], [3, 1], 'int64'), random([3, 2])], {
        attributes: attributes({ reduction }),
      }),
    ),
  ],
  OneHot: [
    of('last axis', [given([0, 2, -1, 5], [4], 'int64'), constant([3], []), constant([0, 1], [2], 'float32')]),
    of('first axis', [given([1, 0], [2], 'int64'), constant([2], []), constant([-1, 3], [2], 'float32')], axis(0)),
    of('int64 values', [given([1, 0, 1, 1], [2, 2], 'int64'), constant([2], []), constant([0, 1])], axis(1)),
  ],
  NonZero: [
    of('matrix', [given([1, 0, 0, -2, 3, 0], [2, 3])]),
    of('bool', [given([0, 1, 1], [3], 'bool')]),
    of('none', [given([0, 0])]),
  ],
  TopK: [
    of('largest', [random([2, 5]), constant([3])], { outputs: 2 }),
    of('smallest', [random([2, 5]), constant([2])], { attributes: attributes({ largest: 0 }), outputs: 2 }),
    of('first axis', [random([4, 2]), constant([2])], { ...axis(0), outputs: 2 }),
    of('ties', [given([1, 3, 3, 2, 3, 1]), constant([4])], { outputs: 2 }),
    of('ties, smallest', [given([1, 3, 3, 2, 3, 1]), constant([4])], {
      attributes: attributes({ largest: 0 }),
      outputs: 2,
    }),
    of('infinities', [given([1, Infinity, -Infinity, 2]), constant([4])], { outputs: 2 }),
    of('int64', [random([6], -9, 9, 'int64'), constant([3])], { outputs: 2 }),
    of('none', [random([2, 3]), constant([0])], { outputs: 2 }),
  ],
};
