import { type DType, type GraphBuilder, type Node, type Value } from '@anneal/graph';

/** What an element type is computed in where its own kernel is missing: it holds every value, and casts back exactly. */
const WIDER: Partial<Record<DType, DType>> = {
  bool: 'uint8',
  int8: 'int32',
  uint8: 'int32',
  int16: 'int32',
  uint16: 'int32',
  uint32: 'int64',
  // Large numbers become negative and come back: only for operators that move elements.
  uint64: 'int64',
  float16: 'float32',
  bfloat16: 'float32',
};

const SHORT: readonly DType[] = ['int16', 'uint16'];
const UNCOMPARED: readonly DType[] = [...SHORT, 'uint32'];
const MOVED: readonly DType[] = ['int8', ...UNCOMPARED, 'uint64'];

/** Element types that ONNX allows and onnxruntime-node 1.30 has no CPU kernel for; found by creating each. */
export const LACKING: Readonly<Record<string, readonly DType[]>> = {
  ArgMax: UNCOMPARED,
  ArgMin: UNCOMPARED,
  Celu: ['float16'],
  Clip: SHORT,
  CumSum: ['uint32'],
  EyeLike: ['int8', 'uint8', ...UNCOMPARED],
  Max: SHORT,
  Min: SHORT,
  Pad: SHORT,
  ReduceL1: ['uint32'],
  ReduceL2: ['uint32'],
  ReduceLogSum: ['uint32'],
  ReduceLogSumExp: ['uint32'],
  ReduceMax: UNCOMPARED,
  ReduceMean: ['uint32'],
  ReduceMin: UNCOMPARED,
  ReduceProd: ['uint32'],
  ReduceSum: ['uint32'],
  ReduceSumSquare: ['uint32'],
  Relu: ['int16'],
  // There is a kernel, which fails when it runs with a reduction.
  ScatterElements: ['float16'],
  TopK: ['uint16', 'uint32'],
  Trilu: [...MOVED, 'uint8'],
  Where: [...MOVED, 'bool'],
};

/** bfloat16 has kernels for moving data and nothing else. */
const BFLOAT16_KERNELS: ReadonlySet<string> = new Set([
  'Cast',
  'Concat',
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'IsInf',
  'IsNaN',
  'Reshape',
  'ScatterND',
  'Shape',
  'Size',
  'Slice',
  'Split',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

function isLacking(key: string, dtype: DType): boolean {
  if (dtype === 'bfloat16') return !BFLOAT16_KERNELS.has(key);
  return LACKING[key]?.includes(dtype) ?? false;
}

/** The node computed in a wider element type, when there is no kernel for its own; `undefined` keeps it. */
export function widen(
  key: string,
  node: Node,
  inputs: readonly (Value | undefined)[],
  g: GraphBuilder,
): readonly (Value | undefined)[] | undefined {
  // The condition of Where has its own type, which is right.
  const isData = (i: number): boolean => key !== 'Where' || i > 0;
  const lacking = new Set<DType>();
  inputs.forEach((value, i) => {
    if (value && isData(i) && isLacking(key, value.dtype)) lacking.add(value.dtype);
  });
  if (lacking.size === 0) return undefined;
  const wider = (dtype: DType): DType => (lacking.has(dtype) ? (WIDER[dtype] ?? dtype) : dtype);
  const cast = inputs.map((value, i) => value && (isData(i) ? g.ops.cast(value, wider(value.dtype)) : value));
  const outputs = g.node(node.op, cast, {
    domain: node.domain,
    attributes: node.attributes,
    outputs: node.outputs.map((value) => value !== undefined),
    types: node.outputs.map((value) => ({ dtype: wider(value?.dtype ?? 'float32'), shape: value?.shape ?? [] })),
  });
  return outputs.map((value, i) => value && g.ops.cast(value, node.outputs[i]?.dtype ?? value.dtype));
}
