/** Values that go wrong where something else is expected. */
const VALUES: readonly unknown[] = [
  -1,
  0,
  1,
  2,
  3,
  7,
  64,
  4096,
  65_536,
  2 ** 31,
  2 ** 40,
  2 ** 53,
  -(2 ** 31),
  0.5,
  1e30,
  null,
  true,
  false,
  '',
  'x',
  '-1',
  '0',
  '7',
  '__proto__',
  'constructor',
  'same',
  'valid',
  'channels_first',
  'linear',
  [],
  {},
  [1],
  [2, 2],
  [null, 3],
];

/** Names of layers and operators that are read with care. */
const NAMES = (
  'Dense Conv1D Conv2D DepthwiseConv2D SeparableConv2D Conv2DTranspose LSTM GRU Bidirectional TimeDistributed Reshape Permute Flatten ' +
  'Concatenate Add Dot Embedding Masking UpSampling2D ZeroPadding2D Cropping2D MaxPooling2D GlobalAveragePooling2D BatchNormalization ' +
  'LayerNormalization PReLU RepeatVector Sequential Functional InputLayer Reshape Slice StridedSlice Pack Unpack Split SplitV ConcatV2 ' +
  'Tile Fill Range OneHot GatherV2 Transpose Pad MirrorPad Conv2DBackpropInput DepthwiseConv2dNative AvgPool Mean Prod Cumsum Einsum ' +
  'StringToHashBucketFast SparseSegmentMean While TensorListStack Shape Squeeze ExpandDims MatMul BatchMatMulV2'
).split(' ');

type Place = { readonly parent: Record<string, unknown> | unknown[]; readonly key: string };

/** One to three random edits of a JSON value: other numbers, names and shapes, parts removed, repeated or moved. */
export function mutateJson(json: unknown, random: () => number): unknown {
  const copy = structuredClone(json);
  const below = (count: number): number => Math.floor(random() * count);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const places: Place[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push({ parent: value as Place['parent'], key });
      collect((value as Record<string, unknown>)[key]);
    }
  };
  collect(copy);
  for (let edits = 1 + below(3); edits > 0; edits--) {
    const { parent, key } = pick(places);
    const fields = parent as Record<string, unknown>;
    const kind = below(5);
    if (kind === 0) fields[key] = pick(VALUES);
    else if (kind === 1) fields[key] = typeof fields[key] === 'string' ? pick(NAMES) : pick(VALUES);
    else if (kind === 2) {
      const other = pick(places);
      fields[key] = structuredClone((other.parent as Record<string, unknown>)[other.key]);
    } else if (Array.isArray(parent)) {
      if (kind === 3) parent.splice(Number(key), 1);
      else parent.splice(Number(key), 0, structuredClone(parent[Number(key)]));
    } else delete fields[key];
  }
  return copy;
}
