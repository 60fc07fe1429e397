import {
  attributes,
  type CaseInput,
  type CaseSpec,
  type CaseTable,
  constant,
  float,
  given,
  of,
  random,
} from './spec.ts';

type Values = Parameters<typeof attributes>[0];

const image = random([1, 2, 5, 6]);

const conv = (label: string, x: CaseInput, w: number[], values: Values = {}, bias?: number): CaseSpec =>
  of(label, [x, random(w), bias === undefined ? undefined : random([bias])], { attributes: attributes(values) });

const windows = (size: number[]): CaseSpec[] => {
  const pool = (label: string, x: CaseInput, values: Values): CaseSpec =>
    of(label, [x], { attributes: attributes({ kernel_shape: size, ...values }) });
  return [
    pool('default', image, {}),
    pool('strides', image, { strides: [2, 2] }),
    pool('padding', image, { pads: [1, 0, 1, 1], strides: [2, 1] }),
    pool('same, upper', image, { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
    pool('same, lower', image, { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
    pool('valid', image, { auto_pad: 'VALID', strides: [2, 1] }),
    pool('rounded up', image, { strides: [2, 2], ceil_mode: 1 }),
    pool('rounded up into the padding', image, { strides: [3, 3], ceil_mode: 1, pads: [1, 1, 1, 1] }),
  ];
};

const one = (label: string, x: CaseInput, values: Values, outputs = 1): CaseSpec =>
  of(label, [x], { attributes: attributes(values), outputs });

const resize = (label: string, x: CaseInput, by: { scales?: number[]; sizes?: number[] }, values: Values): CaseSpec =>
  of(
    label,
    [x, undefined, by.scales && constant(by.scales, [by.scales.length], 'float32'), by.sizes && constant(by.sizes)],
    {
      attributes: attributes(values),
    },
  );

const plane = random([1, 1, 3, 4]);

const COORDINATES: readonly string[] = [
  'half_pixel',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'half_pixel_symmetric',
];
const NEAREST: readonly string[] = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'];

/** Angles of 8 positions for heads of `2 · half` elements. */
const cache = (half: number, rows = 8): CaseInput => random([rows, half], -1, 1);

const rotary = (label: string, inputs: readonly (CaseInput | undefined)[], values: Values = {}): CaseSpec =>
  of(label, inputs, { attributes: attributes(values) });

const onnxRotary = (label: string, inputs: readonly (CaseInput | undefined)[], values: Values = {}): CaseSpec => ({
  ...rotary(label, inputs, values),
  opset: 23,
});

const positions = given([0, 3, 2, 5, 1, 7], [2, 3], 'int64');

export const spatial: CaseTable<
  | 'Conv'
  | 'ConvTranspose'
  | 'MaxPool'
  | 'AveragePool'
  | 'LpPool'
  | 'GlobalAveragePool'
  | 'GlobalMaxPool'
  | 'DepthToSpace'
  | 'SpaceToDepth'
  | 'Resize'
  | 'RotaryEmbedding'
  | 'com.microsoft.RotaryEmbedding'
> = {
  Conv: [
    conv('default', image, [3, 2, 3, 2]),
    conv('bias', image, [3, 2, 1, 1], {}, 3),
    conv('strides and padding', image, [2, 2, 3, 3], { strides: [2, 1], pads: [1, 0, 2, 1] }, 2),
    conv('dilation', image, [2, 2, 2, 2], { dilations: [2, 3] }),
    conv('groups', random([2, 4, 4, 4]), [4, 2, 2, 2], { group: 2 }, 4),
    conv('depthwise', random([1, 3, 4, 4]), [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }),
    conv('same, upper', image, [2, 2, 2, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
    conv('same, lower', image, [2, 2, 2, 3], { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
    conv('one axis', random([2, 3, 7]), [4, 3, 3], { pads: [1, 1], strides: [2] }, 4),
    conv('three axes', random([1, 1, 3, 3, 3]), [2, 1, 2, 2, 2]),
  ],
  ConvTranspose: [
    conv('default', random([1, 2, 3, 3]), [2, 3, 3, 2]),
    conv('strides and padding', random([1, 2, 3, 3]), [2, 3, 3, 3], { strides: [2, 1], pads: [1, 0, 0, 1] }, 3),
    conv('output padding', random([1, 2, 3, 3]), [2, 1, 3, 3], { strides: [2, 2], output_padding: [1, 0] }),
    conv('groups', random([1, 4, 3]), [4, 2, 2], { group: 2, strides: [2] }, 4),
    conv('dilation', random([1, 1, 3, 3]), [1, 1, 2, 2], { dilations: [2, 2] }),
    conv('same, upper', random([1, 1, 3, 3]), [1, 1, 4, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
    conv('same, lower', random([1, 1, 3, 3]), [1, 1, 4, 4], { auto_pad: 'SAME_LOWER', strides: [3, 3] }),
    conv('given shape', random([1, 1, 3, 3]), [1, 1, 3, 3], { output_shape: [6, 7], strides: [2, 2] }),
  ],
  MaxPool: [
    ...windows([2, 3]),
    one('positions', image, { kernel_shape: [2, 2], strides: [2, 2] }, 2),
    one('positions by columns', image, { kernel_shape: [2, 2], storage_order: 1 }, 2),
    one('dilation', image, { kernel_shape: [2, 2], dilations: [2, 3] }),
    one('one axis', random([1, 2, 6]), { kernel_shape: [3], strides: [2], pads: [1, 1] }),
  ],
  AveragePool: [
    ...windows([2, 3]),
    one('padding counts', image, { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
    one('padding counts, rounded up', image, {
      kernel_shape: [3, 3],
      pads: [1, 1, 1, 1],
      strides: [2, 2],
      ceil_mode: 1,
      count_include_pad: 1,
    }),
    one('dilation', image, { kernel_shape: [2, 2], dilations: [2, 2] }),
  ],
  LpPool: [
    one('squares', image, { kernel_shape: [2, 3] }),
    one('absolute', image, { kernel_shape: [2, 2], p: 1, strides: [2, 2] }),
  ],
  GlobalAveragePool: [of('images', [random([2, 3, 2, 4])]), of('sequences', [random([2, 3, 5])])],
  GlobalMaxPool: [of('images', [random([2, 3, 2, 4])])],
  DepthToSpace: [
    one('depth first', random([1, 8, 2, 3]), { blocksize: 2 }),
    one('column first', random([2, 8, 2, 3]), { blocksize: 2, mode: 'CRD' }),
  ],
  SpaceToDepth: [
    one('blocks of two', random([1, 2, 4, 6]), { blocksize: 2 }),
    one('blocks of three', random([2, 1, 3, 6]), { blocksize: 3 }),
  ],
  Resize: [
    ...COORDINATES.map((mode) =>
      resize(
        `linear, ${mode}`,
        plane,
        { sizes: [1, 1, 5, 6] },
        { mode: 'linear', coordinate_transformation_mode: mode },
      ),
    ),
    ...NEAREST.map((mode) =>
      resize(`nearest, ${mode}`, plane, { scales: [1, 1, 2, 1.5] }, { mode: 'nearest', nearest_mode: mode }),
    ),
    resize(
      'nearest, smaller',
      plane,
      { sizes: [1, 1, 2, 2] },
      { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    ),
    resize('linear, smaller', plane, { scales: [1, 1, 0.7, 0.5] }, { mode: 'linear' }),
    resize('cubic', plane, { sizes: [1, 1, 5, 7] }, { mode: 'cubic' }),
    resize(
      'cubic, inside only',
      plane,
      { scales: [1, 1, 2, 2] },
      { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: float(-0.5) },
    ),
    of(
      'a part, and beyond it',
      [plane, constant([0, 0, 0.2, -0.3, 1, 1, 0.9, 1.2], [8], 'float32'), undefined, constant([1, 1, 4, 5])],
      {
        attributes: attributes({
          mode: 'linear',
          coordinate_transformation_mode: 'tf_crop_and_resize',
          extrapolation_value: float(7),
        }),
      },
    ),
    of(
      'the middle of a part',
      [plane, constant([0, 0, 0.5, 0.25, 1, 1, 1, 0.75], [8], 'float32'), undefined, constant([1, 1, 1, 1])],
      { attributes: attributes({ mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' }) },
    ),
    resize('some axes', plane, { sizes: [6, 8] }, { mode: 'linear', axes: [2, 3] }),
  ],
  RotaryEmbedding: [
    onnxRotary('heads', [random([2, 2, 3, 4]), cache(2), cache(2), positions]),
    onnxRotary('flat', [random([2, 3, 8]), cache(2), cache(2), positions], { num_heads: 2 }),
    onnxRotary('interleaved', [random([2, 2, 3, 4]), cache(2), cache(2), positions], { interleaved: 1 }),
    onnxRotary('a part of the head', [random([2, 2, 3, 6]), cache(2), cache(2), positions], {
      rotary_embedding_dim: 4,
    }),
    onnxRotary('angles of positions', [random([2, 2, 3, 4]), random([2, 3, 2], -1, 1), random([2, 3, 2], -1, 1)]),
  ],
  'com.microsoft.RotaryEmbedding': [
    rotary('flat', [random([2, 3, 8]), positions, cache(2), cache(2)]),
    rotary('heads', [random([2, 2, 3, 4]), positions, cache(2), cache(2)]),
    rotary('offset', [random([2, 3, 8]), given([4], [1], 'int64'), cache(2), cache(2)]),
    rotary('interleaved', [random([2, 3, 8]), positions, cache(2), cache(2)], { interleaved: 1 }),
    rotary('a part of the head', [random([2, 3, 12]), positions, cache(2), cache(2)], {
      num_heads: 2,
      rotary_embedding_dim: 4,
    }),
  ],
};
