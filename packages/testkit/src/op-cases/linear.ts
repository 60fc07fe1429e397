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

const product = (label: string, a: number[], b: number[], values: Parameters<typeof attributes>[0] = {}): CaseSpec =>
  of(label, [random(a), random(b)], { attributes: attributes(values) });

const bytes = (shape: readonly number[], dtype: 'uint8' | 'int8', low: number, high: number): CaseInput =>
  random(shape, low, high, dtype);

/** A quantised weight, which runtimes pack: a constant of random elements. */
const frozen = (input: CaseInput): CaseInput => ({ ...input, constant: true });

const scales = (count: number): CaseInput => frozen(random([count], 0.01, 0.05));

/** Weights of MatMulNBits: `n` rows of `blocks` blocks of `block` codes. */
function nbits(
  label: string,
  k: number,
  n: number,
  bits: number,
  block: number,
  rest: { zeros?: CaseInput; bias?: CaseInput } = {},
): CaseSpec {
  const blocks = Math.ceil(k / block);
  return of(
    label,
    [
      random([3, k]),
      frozen(bytes([n, blocks, (block * bits) / 8], 'uint8', 0, 255)),
      scales(n * blocks),
      rest.zeros && frozen(rest.zeros),
      undefined,
      rest.bias,
    ],
    {
      attributes: attributes({ K: k, N: n, bits, block_size: block }),
      tolerance: { absolute: 1e-4, relative: 1e-4 },
    },
  );
}

/** Of codes: products of integers are exact, the scale rounds once. */
const integerToFloat = (
  label: string,
  a: CaseInput,
  columns: number,
  zeros: readonly (CaseInput | undefined)[],
  bias?: CaseInput,
): CaseSpec =>
  of(label, [
    a,
    frozen(bytes([4, 3], 'int8', -127, 127)),
    constant([0.02], [], 'float32'),
    scales(columns),
    ...zeros,
    bias,
  ]);

/** Tolerance of results that one other rounding of a code would change: a whole step of the quantised operand. */
const DYNAMIC = { absolute: 0.02, relative: 1e-3 };

const dynamic = (label: string, columns: number, rest: readonly (CaseInput | undefined)[] = []): CaseSpec =>
  of(label, [random([2, 4]), frozen(bytes([4, 3], 'int8', -127, 127)), scales(columns), ...rest], {
    tolerance: DYNAMIC,
  });

const quantize = (
  label: string,
  x: CaseInput,
  scale: CaseInput,
  zero: CaseInput | undefined,
  values: Parameters<typeof attributes>[0] = {},
  opset = 21,
): CaseSpec => of(label, [x, scale, zero], { attributes: attributes(values), opset });

const one = (value: number): CaseInput => constant([value], [], 'float32');

export const linear: CaseTable<
  | 'MatMul'
  | 'Gemm'
  | 'com.microsoft.FusedMatMul'
  | 'MatMulInteger'
  | 'DynamicQuantizeLinear'
  | 'DequantizeLinear'
  | 'QuantizeLinear'
  | 'com.microsoft.DynamicQuantizeMatMul'
  | 'com.microsoft.MatMulIntegerToFloat'
  | 'com.microsoft.MatMulNBits'
  | 'anneal.Int8Linear'
  | 'Einsum'
> = {
  MatMul: [
    product('matrices', [2, 3], [3, 4]),
    product('vector by matrix', [3], [3, 2]),
    product('matrix by vector', [2, 3], [3]),
    product('vectors', [3], [3]),
    product('batches', [2, 2, 3], [2, 3, 2]),
    product('broadcast batches', [2, 1, 2, 3], [3, 3, 1]),
    product('nothing', [0, 3], [3, 2]),
    product('over nothing', [2, 0], [0, 3]),
    of('float64', [random([2, 3], -2, 2, 'float64'), random([3, 2], -2, 2, 'float64')]),
    of('int32', [random([2, 3], -9, 9, 'int32'), random([3, 2], -9, 9, 'int32')]),
    of('infinities and NaN', [given([1, Infinity, 0, 2], [2, 2]), given([1, 2, Number.NaN, 0], [2, 2])]),
  ],
  Gemm: [
    product('no bias', [2, 3], [3, 4]),
    of('transposed', [random([3, 2]), random([4, 3]), random([4])], {
      attributes: attributes({ transA: 1, transB: 1, alpha: float(0.5), beta: float(2) }),
    }),
    of('a column', [random([2, 3]), random([3, 2]), random([2, 1])]),
    of('a scalar', [random([2, 3]), random([3, 2]), random([])]),
  ],
  'com.microsoft.FusedMatMul': [
    product('left transposed', [3, 2], [3, 4], { transA: 1 }),
    product('right transposed, scaled', [2, 3], [4, 3], { transB: 1, alpha: float(0.25) }),
    product('batches', [2, 2, 3], [2, 4, 3], { transB: 1 }),
    product('both transposed', [2, 3, 2], [2, 4, 3], { transA: 1, transB: 1 }),
  ],
  MatMulInteger: [
    of('no zero points', [bytes([2, 4], 'uint8', 0, 255), bytes([4, 3], 'uint8', 0, 255)]),
    of('zero points', [
      bytes([2, 4], 'uint8', 0, 255),
      bytes([4, 3], 'int8', -127, 127),
      constant([12], [], 'uint8'),
      constant([-3], [], 'int8'),
    ]),
    of('zero points of columns', [
      bytes([2, 4], 'uint8', 0, 255),
      bytes([4, 3], 'int8', -127, 127),
      constant([12], [], 'uint8'),
      constant([1, -2, 3], [3], 'int8'),
    ]),
    of('batches', [bytes([2, 2, 3], 'uint8', 0, 255), bytes([2, 3, 2], 'uint8', 0, 255), constant([7], [], 'uint8')]),
  ],
  DynamicQuantizeLinear: [
    of('both signs', [random([2, 4], -1.7, 2.3)], { outputs: 3 }),
    of('positive', [random([4], 0.5, 3)], { outputs: 3 }),
    of('negative', [random([4], -3, -0.5)], { outputs: 3 }),
    of('zeros', [given([0, 0, 0])], { outputs: 3 }),
  ],
  DequantizeLinear: [
    quantize('uint8', bytes([2, 3], 'uint8', 0, 255), one(0.03), constant([128], [], 'uint8')),
    quantize('columns', bytes([2, 3], 'int8', -127, 127), scales(3), constant([1, 0, -2], [3], 'int8')),
    quantize('rows', bytes([2, 3], 'int8', -127, 127), scales(2), undefined, { axis: 0 }),
    quantize(
      'blocks',
      bytes([4, 3], 'int8', -127, 127),
      frozen(random([2, 3], 0.01, 0.05)),
      constant([1, 2, 3, 4, 5, 6], [2, 3], 'int8'),
      { axis: 0, block_size: 2 },
    ),
    quantize('int32', random([3], -1000, 1000, 'int32'), one(0.5), undefined),
    quantize('int4', constant([-8, 7, 3, -1], [2, 2], 'int4'), one(0.25), constant([1], [], 'int4')),
    quantize('uint4', constant([0, 15, 8], [3], 'uint4'), one(0.25), constant([8], [], 'uint4')),
    quantize('float8', constant([1.5, -448, 0.0625], [3], 'float8e4m3fn'), one(0.5), undefined),
    quantize('to float16', bytes([4], 'uint8', 0, 255), constant([0.5], [], 'float16'), constant([3], [], 'uint8')),
  ],
  QuantizeLinear: [
    quantize('uint8', random([2, 3]), one(0.02), constant([100], [], 'uint8')),
    quantize('saturated', given([-100, 100, 0, 3.2, -3.2]), one(0.1), constant([0], [], 'int8')),
    quantize('ties', given([0.5, 1.5, 2.5, -0.5, -1.5]), one(1), constant([10], [], 'uint8')),
    quantize('no zero point', random([4], 0, 2), one(0.01), undefined),
    quantize('rows', random([2, 3]), scales(2), constant([3, -3], [2], 'int8'), { axis: 0 }),
    quantize('blocks', random([4, 2]), frozen(random([2, 2], 0.02, 0.05)), constant([0, 1, 2, 3], [2, 2], 'uint8'), {
      axis: 0,
      block_size: 2,
    }),
    quantize('int16', random([4]), one(0.001), constant([5], [], 'int16')),
    quantize('int4', given([-100, 100, 0.3, -0.6]), one(0.25), constant([1], [], 'int4')),
    quantize('float8', given([1000, 0.3, -0.6]), one(0.5), constant([0], [], 'float8e4m3fn')),
    quantize('given type', random([4]), one(0.02), undefined, { output_dtype: 3 }),
  ],
  'com.microsoft.DynamicQuantizeMatMul': [
    dynamic('one scale', 1),
    dynamic('scales of columns', 3),
    dynamic('zero point and bias', 1, [constant([5], [1], 'int8'), random([3])]),
  ],
  'anneal.Int8Linear': [
    dynamic('a frozen layer', 3, [frozen(bytes([3, 4], 'int8', -127, 127)), scales(4)]),
    of(
      'rows apart',
      [
        given([1, -2, 3, 0.5, 1e-4, 2e-4, -3e-4, 0, 0, 0, 0, 0], [3, 4]),
        frozen(bytes([4, 2], 'int8', -127, 127)),
        scales(2),
        frozen(bytes([2, 4], 'int8', -127, 127)),
        scales(4),
      ],
      { attributes: attributes({ rowwise: 1 }), tolerance: DYNAMIC },
    ),
    of(
      'batches',
      [
        random([2, 3, 4]),
        frozen(bytes([4, 2], 'int8', -127, 127)),
        scales(2),
        frozen(bytes([2, 4], 'int8', -127, 127)),
        scales(4),
      ],
      { tolerance: DYNAMIC },
    ),
  ],
  'com.microsoft.MatMulIntegerToFloat': [
    integerToFloat('one scale', bytes([2, 4], 'uint8', 0, 255), 1, [constant([128], [], 'uint8'), undefined]),
    integerToFloat(
      'scales of columns and bias',
      bytes([2, 4], 'uint8', 0, 255),
      3,
      [constant([90], [], 'uint8'), constant([1, 2, -3], [3], 'int8')],
      random([3]),
    ),
    integerToFloat('batches', bytes([2, 2, 4], 'uint8', 0, 255), 1, [undefined, undefined]),
  ],
  'com.microsoft.MatMulNBits': [
    nbits('4 bits', 32, 3, 4, 16),
    nbits('8 bits', 32, 2, 8, 16),
    nbits('packed zero points', 48, 2, 4, 16, { zeros: bytes([4], 'uint8', 0, 255) }),
    nbits('a part of a block', 40, 2, 4, 32, { bias: random([2]) }),
  ],
  Einsum: [
    product('a product', [2, 3], [3, 4], { equation: 'ij,jk->ik' }),
    product('batches', [2, 3, 4], [2, 4, 2], { equation: 'bij,bjk->bik' }),
    product('ellipsis', [2, 3, 4], [4, 2], { equation: '...ij,jk->...ik' }),
    product('implicit output', [2, 3], [3, 4], { equation: 'ij,jk' }),
    product('heads', [2, 3, 2, 4], [2, 5, 2, 4], { equation: 'bqhd,bkhd->bhqk' }),
    of('diagonal', [random([3, 3])], { attributes: attributes({ equation: 'ii->i' }) }),
    of('trace', [random([3, 3])], { attributes: attributes({ equation: 'ii' }) }),
    of('transposed', [random([2, 3])], { attributes: attributes({ equation: 'ij->ji' }) }),
    of('sum', [random([2, 3])], { attributes: attributes({ equation: 'ij->j' }) }),
    product('outer', [2], [3], { equation: 'i,j->ij' }),
  ],
};
