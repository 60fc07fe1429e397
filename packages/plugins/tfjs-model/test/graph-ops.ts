import type { tf } from './tfjs.ts';

/** A value of a node's attribute as the files have it. */
type AttrValue = Record<string, unknown>;

export const attr = {
  int: (i: number): AttrValue => ({ i: String(i) }),
  float: (f: number): AttrValue => ({ f }),
  bool: (b: boolean): AttrValue => ({ b }),
  text: (s: string): AttrValue => ({ s: btoa(s) }),
  type: (type: string): AttrValue => ({ type }),
  ints: (...values: readonly number[]): AttrValue => ({ list: { i: values.map(String) } }),
  texts: (...values: readonly string[]): AttrValue => ({ list: { s: values.map((value) => btoa(value)) } }),
};

/** A weight: floats, or integers with `ints`. */
export type Given = tf.TensorLike | { readonly ints: tf.TensorLike };

/** One operator under test. `x` and `y` are the shapes of inputs, constants follow. */
export interface OpCase {
  readonly op: string;
  readonly attrs?: Readonly<Record<string, AttrValue>>;
  /** Shapes of random inputs; the first axis is open in the model. */
  readonly inputs: readonly (readonly number[])[];
  readonly dtype?: 'float32' | 'int32' | 'bool';
  /** Weights after the inputs, by what they hold. */
  readonly constants?: readonly Given[];
  /** Order of the node's inputs: `0…` of inputs, then of constants. @defaultValue as they are */
  readonly order?: readonly number[];
  readonly outputs?: number;
  /** Inputs are positive. */
  readonly positive?: boolean;
}

const T = { T: attr.type('DT_FLOAT') };
const unary = (op: string, positive = false): OpCase => ({ op, inputs: [[2, 3]], attrs: T, positive });
const binary = (op: string): OpCase => ({
  op,
  inputs: [
    [2, 3],
    [2, 1],
  ],
  attrs: T,
  positive: true,
});
const compare = (op: string): OpCase => ({
  op,
  inputs: [
    [2, 3],
    [2, 3],
  ],
  attrs: T,
});
const ints = (...values: readonly number[]): Given => ({ ints: values });
const scalar = (value: number): Given => ({ ints: value });
const image = [2, 5, 6, 3];
const filled = (...shape: readonly number[]): tf.TensorLike => {
  const [first = 0, ...rest] = shape;
  let n = 0;
  const make = (dims: readonly number[]): unknown =>
    dims.length === 0 ? Math.sin(1 + 3 * n++) : Array.from({ length: dims[0] as number }, () => make(dims.slice(1)));
  return make([first, ...rest]) as tf.TensorLike;
};
const conv = {
  strides: attr.ints(1, 2, 2, 1),
  padding: attr.text('SAME'),
  dilations: attr.ints(1, 1, 1, 1),
  data_format: attr.text('NHWC'),
  ...T,
};
const reduce = (op: string, keep: boolean, axes: readonly number[]): OpCase => ({
  op,
  inputs: [[2, 3, 4]],
  constants: [ints(...axes)],
  attrs: { keep_dims: attr.bool(keep), ...T },
});
const strided = (
  masks: Readonly<Record<string, number>>,
  begin: readonly number[],
  end: readonly number[],
  strides: readonly number[],
): OpCase => ({
  op: 'StridedSlice',
  inputs: [[2, 3, 4]],
  constants: [ints(...begin), ints(...end), ints(...strides)],
  attrs: Object.fromEntries(
    ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map((key) => [
      key,
      attr.int(masks[key] ?? 0),
    ]),
  ),
});

/** Cases by name. */
export const OP_CASES: Readonly<Record<string, OpCase>> = {
  ...Object.fromEntries(
    'Neg Abs Sign Square Exp Expm1 Sin Cos Tan Atan Tanh Sigmoid Softplus Relu Relu6 Elu Selu Floor Ceil Round Erf Identity StopGradient'
      .split(' ')
      .map((op) => [op, unary(op)]),
  ),
  ...Object.fromEntries('Sqrt Rsqrt Reciprocal Log Log1p'.split(' ').map((op) => [op, unary(op, true)])),
  ...Object.fromEntries(
    'Add AddV2 Sub Mul RealDiv Div DivNoNan FloorMod Pow Maximum Minimum SquaredDifference'
      .split(' ')
      .map((op) => [op, binary(op)]),
  ),
  ...Object.fromEntries('Equal NotEqual Greater GreaterEqual Less LessEqual'.split(' ').map((op) => [op, compare(op)])),
  ...Object.fromEntries(
    ['LogicalAnd', 'LogicalOr'].map((op) => [
      op,
      {
        op,
        inputs: [
          [2, 3],
          [2, 3],
        ],
        dtype: 'bool',
      } as OpCase,
    ]),
  ),
  LogicalNot: { op: 'LogicalNot', inputs: [[2, 3]], dtype: 'bool' },
  FloorDiv: { op: 'FloorDiv', inputs: [[2, 3]], dtype: 'int32', constants: [{ ints: [[2], [-3]] }] },
  AddN: {
    op: 'AddN',
    inputs: [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
    attrs: { N: attr.int(3), ...T },
  },
  LeakyRelu: { op: 'LeakyRelu', inputs: [[2, 3]], attrs: { alpha: attr.float(0.3), ...T } },
  Prelu: { op: 'Prelu', inputs: [[2, 3]], constants: [[0.1, 0.2, 0.3]] },
  ClipByValue: {
    op: 'ClipByValue',
    inputs: [[2, 3]],
    constants: [-0.4, 0.5],
    attrs: { clip_value_min: attr.float(-0.4), clip_value_max: attr.float(0.5) },
  },
  Cast: { op: 'Cast', inputs: [[2, 3]], attrs: { SrcT: attr.type('DT_FLOAT'), DstT: attr.type('DT_INT32') } },
  SelectV2: {
    op: 'SelectV2',
    inputs: [[2, 3]],
    constants: [
      [[1], [2]],
      [3, 4, 5],
    ],
    dtype: 'bool',
  },
  MatMul: {
    op: 'MatMul',
    inputs: [[2, 3]],
    constants: [filled(3, 4)],
    attrs: { transpose_a: attr.bool(false), transpose_b: attr.bool(false), ...T },
  },
  'MatMul, transposed weight': {
    op: 'MatMul',
    inputs: [[2, 3]],
    constants: [filled(4, 3)],
    attrs: { transpose_a: attr.bool(false), transpose_b: attr.bool(true), ...T },
  },
  BatchMatMulV2: {
    op: 'BatchMatMulV2',
    inputs: [
      [2, 3, 4],
      [2, 5, 4],
    ],
    attrs: { adj_x: attr.bool(false), adj_y: attr.bool(true), ...T },
  },
  _FusedMatMul: {
    op: '_FusedMatMul',
    inputs: [[2, 3]],
    constants: [filled(3, 4), filled(4)],
    attrs: {
      fused_ops: attr.texts('BiasAdd', 'Relu'),
      num_args: attr.int(1),
      transpose_a: attr.bool(false),
      transpose_b: attr.bool(false),
      ...T,
    },
  },
  Einsum: {
    op: 'Einsum',
    inputs: [[2, 3, 4]],
    constants: [filled(4, 2, 3)],
    attrs: { equation: attr.text('abc,cde->abde'), N: attr.int(2), ...T },
  },
  BiasAdd: { op: 'BiasAdd', inputs: [image], constants: [filled(3)], attrs: { data_format: attr.text('NHWC'), ...T } },
  Conv2D: { op: 'Conv2D', inputs: [image], constants: [filled(3, 2, 3, 4)], attrs: conv },
  'Conv2D, valid and dilated': {
    op: 'Conv2D',
    inputs: [image],
    constants: [filled(2, 2, 3, 4)],
    attrs: { ...conv, strides: attr.ints(1, 1, 1, 1), padding: attr.text('VALID'), dilations: attr.ints(1, 2, 2, 1) },
  },
  'Conv2D, explicit padding': {
    op: 'Conv2D',
    inputs: [image],
    constants: [filled(3, 3, 3, 4)],
    attrs: { ...conv, padding: attr.text('EXPLICIT'), explicit_paddings: attr.ints(0, 0, 1, 2, 0, 1, 0, 0) },
  },
  _FusedConv2D: {
    op: '_FusedConv2D',
    inputs: [image],
    constants: [filled(3, 3, 3, 4), filled(4)],
    attrs: { ...conv, fused_ops: attr.texts('BiasAdd', 'Relu6'), num_args: attr.int(1) },
  },
  DepthwiseConv2dNative: { op: 'DepthwiseConv2dNative', inputs: [image], constants: [filled(3, 3, 3, 2)], attrs: conv },
  FusedDepthwiseConv2dNative: {
    op: 'FusedDepthwiseConv2dNative',
    inputs: [image],
    constants: [filled(3, 3, 3, 1), filled(3)],
    attrs: { ...conv, strides: attr.ints(1, 1, 1, 1), fused_ops: attr.texts('BiasAdd', 'Relu'), num_args: attr.int(1) },
  },
  Conv2DBackpropInput: {
    op: 'Conv2DBackpropInput',
    inputs: [image],
    constants: [ints(2, 10, 12, 4), filled(3, 3, 4, 3)],
    order: [1, 2, 0],
    attrs: conv,
  },
  MaxPool: {
    op: 'MaxPool',
    inputs: [image],
    attrs: { ksize: attr.ints(1, 3, 3, 1), strides: attr.ints(1, 2, 2, 1), padding: attr.text('SAME'), ...T },
  },
  AvgPool: {
    op: 'AvgPool',
    inputs: [image],
    attrs: { ksize: attr.ints(1, 3, 2, 1), strides: attr.ints(1, 2, 2, 1), padding: attr.text('SAME'), ...T },
  },
  FusedBatchNormV3: {
    op: 'FusedBatchNormV3',
    inputs: [image],
    constants: [filled(3), filled(3), filled(3), [1, 2, 0.5]],
    attrs: { epsilon: attr.float(0.001), is_training: attr.bool(false), ...T },
  },
  ResizeBilinear: {
    op: 'ResizeBilinear',
    inputs: [image],
    constants: [ints(7, 9)],
    attrs: { align_corners: attr.bool(false), half_pixel_centers: attr.bool(true) },
  },
  'ResizeBilinear, aligned corners': {
    op: 'ResizeBilinear',
    inputs: [image],
    constants: [ints(7, 9)],
    attrs: { align_corners: attr.bool(true), half_pixel_centers: attr.bool(false) },
  },
  ResizeNearestNeighbor: {
    op: 'ResizeNearestNeighbor',
    inputs: [image],
    constants: [ints(7, 9)],
    attrs: { align_corners: attr.bool(false), half_pixel_centers: attr.bool(false) },
  },
  DepthToSpace: {
    op: 'DepthToSpace',
    inputs: [[2, 2, 3, 8]],
    attrs: { block_size: attr.int(2), data_format: attr.text('NHWC'), ...T },
  },
  Softmax: { op: 'Softmax', inputs: [[2, 3]], attrs: T },
  LogSoftmax: { op: 'LogSoftmax', inputs: [[2, 3]], attrs: T },
  ...Object.fromEntries(
    ['Sum', 'Mean', 'Max', 'Min'].flatMap((op) => [
      [op, reduce(op, false, [1])],
      [`${op}, keeping axes`, reduce(op, true, [0, -1])],
    ]),
  ),
  Prod: reduce('Prod', false, [1]),
  ArgMax: { op: 'ArgMax', inputs: [[2, 3, 4]], constants: [scalar(1)] },
  ArgMin: { op: 'ArgMin', inputs: [[2, 3, 4]], constants: [scalar(-1)] },
  Cumsum: {
    op: 'Cumsum',
    inputs: [[2, 3]],
    constants: [scalar(1)],
    attrs: { exclusive: attr.bool(true), reverse: attr.bool(true) },
  },
  Reshape: { op: 'Reshape', inputs: [[2, 3, 4]], constants: [ints(-1, 6, 2)] },
  Squeeze: { op: 'Squeeze', inputs: [[2, 1, 3, 1]], attrs: { squeeze_dims: attr.ints(1, -1), ...T } },
  ExpandDims: { op: 'ExpandDims', inputs: [[2, 3]], constants: [scalar(-1)] },
  Pack: {
    op: 'Pack',
    inputs: [
      [2, 3],
      [2, 3],
    ],
    attrs: { axis: attr.int(1), N: attr.int(2), ...T },
  },
  Unpack: { op: 'Unpack', inputs: [[2, 3]], outputs: 3, attrs: { axis: attr.int(1), num: attr.int(3), ...T } },
  ConcatV2: {
    op: 'ConcatV2',
    inputs: [
      [2, 3],
      [2, 1],
    ],
    constants: [scalar(-1)],
    attrs: { N: attr.int(2), ...T },
  },
  Split: {
    op: 'Split',
    inputs: [[2, 6]],
    constants: [scalar(1)],
    order: [1, 0],
    outputs: 3,
    attrs: { num_split: attr.int(3), ...T },
  },
  SplitV: {
    op: 'SplitV',
    inputs: [[2, 6]],
    constants: [ints(1, 2, -1), scalar(1)],
    outputs: 3,
    attrs: { num_split: attr.int(3), ...T },
  },
  Slice: { op: 'Slice', inputs: [[2, 3, 4]], constants: [ints(0, 1, 1), ints(-1, 2, 2)] },
  StridedSlice: strided({ begin_mask: 1, end_mask: 1 }, [0, 1, 0], [0, 3, 4], [1, 1, 2]),
  'StridedSlice, backwards': strided({ begin_mask: 4, end_mask: 5 }, [0, 1, 0], [0, 3, 0], [1, 1, -1]),
  'StridedSlice, an element': strided({ shrink_axis_mask: 2, begin_mask: 1, end_mask: 1 }, [0, -1], [0, 0], [1, 1]),
  'StridedSlice, new axis and ellipsis': strided(
    { ellipsis_mask: 1, new_axis_mask: 2, shrink_axis_mask: 4 },
    [0, 0, 1],
    [0, 0, 2],
    [1, 1, 1],
  ),
  Gather: { op: 'GatherV2', inputs: [[2, 3, 4]], constants: [ints(2, 0), scalar(1)] },
  GatherNd: {
    op: 'GatherNd',
    inputs: [[2, 3]],
    constants: [
      {
        ints: [
          [1, 0],
          [0, 2],
        ],
      },
    ],
  },
  Transpose: { op: 'Transpose', inputs: [[2, 3, 4]], constants: [ints(0, 2, 1)] },
  Pad: {
    op: 'Pad',
    inputs: [image],
    constants: [
      {
        ints: [
          [0, 0],
          [1, 2],
          [0, 1],
          [0, 0],
        ],
      },
    ],
  },
  PadV2: {
    op: 'PadV2',
    inputs: [[2, 3]],
    constants: [
      {
        ints: [
          [0, 0],
          [1, 2],
        ],
      },
      0.5,
    ],
  },
  MirrorPad: {
    op: 'MirrorPad',
    inputs: [image],
    constants: [
      {
        ints: [
          [0, 0],
          [1, 2],
          [0, 1],
          [0, 0],
        ],
      },
    ],
    attrs: { mode: attr.text('REFLECT') },
  },
  Fill: { op: 'Fill', inputs: [], constants: [ints(2, 3), 1.5] },
  BroadcastTo: { op: 'BroadcastTo', inputs: [[2, 1]], constants: [ints(2, 3)] },
  Tile: { op: 'Tile', inputs: [[2, 3]], constants: [ints(1, 2)] },
  ZerosLike: { op: 'ZerosLike', inputs: [[2, 3]] },
  OnesLike: { op: 'OnesLike', inputs: [[2, 3]] },
  OneHot: {
    op: 'OneHot',
    inputs: [[2, 3]],
    dtype: 'int32',
    constants: [scalar(4), 2, -1],
    attrs: { axis: attr.int(-1), ...T },
  },
  ReverseV2: { op: 'ReverseV2', inputs: [[2, 3]], constants: [ints(1)] },
  TopKV2: {
    op: 'TopKV2',
    inputs: [[2, 5]],
    constants: [scalar(2)],
    outputs: 1,
    attrs: { sorted: attr.bool(true), ...T },
  },
  Shape: { op: 'Shape', inputs: [[2, 3]] },
  Rank: { op: 'Rank', inputs: [[2, 3]] },
  Size: { op: 'Size', inputs: [[2, 3]] },
};
