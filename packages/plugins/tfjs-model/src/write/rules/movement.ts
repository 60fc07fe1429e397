import { type Dim, isFloat, type Shape } from '@anneal/graph';

import type { WriteContext, WriteRule } from '../context.ts';
import { type Ref, tfAttr } from '../emitter.ts';

/** Part of a vector of sizes. */
function part(node: WriteContext, vector: Ref, start: number, end: number): Ref {
  const { e } = node;
  return node.tf('Slice', [vector, e.ints([start]), e.ints([end - start])], { T: tfAttr.type('int32') });
}

/** The sizes of an input when the model runs. */
function sizes(node: WriteContext, index: number): Ref {
  return node.tf('Shape', [node.x(index)], { out_type: tfAttr.type('int32') });
}

const shape: WriteRule = (node) => {
  const { rank } = node.value(0);
  const at = (name: string, fallback: number): number => {
    const given = node.int(name, fallback);
    return Math.min(Math.max(given < 0 ? given + rank : given, 0), rank);
  };
  const [start, end] = [at('start', 0), at('end', rank)];
  node.out(start === 0 && end === rank ? sizes(node, 0) : part(node, sizes(node, 0), start, end));
};

/** A shape of which at most one size is open: that one is -1. */
function staticSizes(dims: Shape): readonly number[] | undefined {
  const known = dims.map((dim) => (typeof dim === 'number' ? dim : -1));
  return known.filter((dim) => dim === -1).length <= 1 ? known : undefined;
}

const reshape: WriteRule = (node) => {
  const given = node.data(1);
  const x = node.x(0);
  if (given === undefined) {
    node.out(node.tf('Reshape', [x, node.x(1)]));
    return;
  }
  const target = Array.from(given.data, Number);
  const from = node.value(0).shape;
  const copied = target.map((size, i): Dim => (size === 0 && node.int('allowzero', 0) === 0 ? (from[i] as Dim) : size));
  const known = staticSizes(copied);
  node.out(node.tf('Reshape', [x, known === undefined ? computed(node, target, copied) : node.e.ints(known)]));
};

/** A vector of numbers, and of vectors of one that are computed. */
function vector(node: WriteContext, items: readonly (number | Ref)[]): Ref {
  if (items.every((item) => typeof item === 'number')) return node.e.ints(items as readonly number[]);
  const pieces = items.map((item) => (typeof item === 'number' ? node.e.ints([item]) : item));
  return node.tf('ConcatV2', [...pieces, node.e.int(0)], { N: tfAttr.int(pieces.length), T: tfAttr.type('int32') });
}

/** A shape with sizes of the input that are open. */
function computed(node: WriteContext, target: readonly number[], copied: readonly Dim[]): Ref {
  const all = sizes(node, 0);
  return vector(
    node,
    copied.map((dim, i) =>
      typeof dim === 'string' ? part(node, all, i, i + 1) : target[i] === 0 ? dim : (target[i] as number),
    ),
  );
}

/** Axes of an attribute or of the second input, from the front. */
function axesOf(node: WriteContext, rank: number): readonly number[] | undefined {
  const axes = node.ints('axes') ?? (node.has(1) ? node.known(1, 'the axes') : undefined);
  return axes?.map((axis) => (axis < 0 ? axis + rank : axis));
}

const squeeze: WriteRule = (node) => {
  const axes = axesOf(node, node.value(0).rank);
  node.out(node.tf('Squeeze', [node.x(0)], axes === undefined ? {} : { squeeze_dims: tfAttr.ints(axes) }));
};

const unsqueeze: WriteRule = (node) => {
  const given = axesOf(node, 0) ?? [];
  const rank = node.value(0).rank + given.length;
  const axes = given.map((axis) => (axis < 0 ? axis + rank : axis)).toSorted((a, b) => a - b);
  node.out(axes.reduce((x, axis) => node.tf('ExpandDims', [x, node.e.int(axis)]), node.x(0)));
};

const flatten: WriteRule = (node) => {
  const { shape: dims, rank } = node.value(0);
  const given = node.int('axis', 1);
  const axis = given < 0 ? given + rank : given;
  const product = (list: Shape): number | undefined =>
    list.every((dim) => typeof dim === 'number') ? (list as readonly number[]).reduce((a, b) => a * b, 1) : undefined;
  const [rows, columns] = [product(dims.slice(0, axis)), product(dims.slice(axis))];
  if (rows === undefined && columns === undefined) throw node.error('sizes on both sides are open');
  node.out(node.tf('Reshape', [node.x(0), node.e.ints([rows ?? -1, columns ?? -1])]));
};

const transpose: WriteRule = (node) => {
  const { rank, dtype } = node.value(0);
  const perm = node.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const toLast = [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
  // Channels are last already: the tensor is there.
  if (rank >= 3 && perm.join() === toLast.join()) node.out(node.e.last(node.value(0)));
  else if (rank >= 3 && perm.join() === [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)].join()) {
    node.outLast(node.x(0));
  } else node.out(node.e.transpose(node.x(0), perm, dtype));
};

const concat: WriteRule = (node) => {
  const values = node.node.inputs.map((_, i) => node.value(i));
  const rank = values[0]?.rank ?? 0;
  const given = node.int('axis', 0);
  const axis = given < 0 ? given + rank : given;
  const isLast = rank >= 3 && values.every((value) => node.e.isLast(value));
  const place = !isLast || axis === 0 ? axis : axis === 1 ? rank - 1 : axis - 1;
  const refs = values.map((value) => (isLast ? node.e.last(value) : node.e.first(value)));
  const y = node.tf('ConcatV2', [...refs, node.e.int(place)], { N: tfAttr.int(refs.length) });
  if (isLast) node.outLast(y);
  else node.out(y);
};

const split: WriteRule = (node) => {
  const { rank, shape: dims } = node.value(0);
  const given = node.int('axis', 0);
  const axis = given < 0 ? given + rank : given;
  const outputs = node.node.outputs.length;
  const length = dims[axis];
  const even = typeof length === 'number' ? Math.ceil(length / outputs) : undefined;
  const parts = node.has(1)
    ? node.known(1, 'the sizes')
    : Array.from({ length: outputs }, (_, i) => Math.min(even ?? -1, (length as number) - i * (even ?? 0)));
  const all = node.tf('SplitV', [node.x(0), node.e.ints(parts), node.e.int(axis)], { num_split: tfAttr.int(outputs) });
  for (let i = 0; i < outputs; i++) node.out(i === 0 ? all : `${all}:${i}`, i);
};

/** Ends beyond the axis are open. */
const OPEN = 2 ** 31 - 1;

const slice: WriteRule = (node) => {
  const { rank } = node.value(0);
  const { e } = node;
  const known = [1, 2].map((i) => (node.data(i) === undefined ? undefined : node.known(i, 'a range')));
  const count = node.value(1).dims[0] as number;
  const axes = (node.has(3) ? node.known(3, 'the axes') : Array.from({ length: count }, (_, i) => i)).map((axis) =>
    axis < 0 ? axis + rank : axis,
  );
  const steps = node.has(4) ? node.known(4, 'the steps') : axes.map(() => 1);
  const filled = <T>(value: T): T[] => Array.from({ length: rank }, () => value);
  const [begin, end, strides] = [filled<number | Ref>(0), filled<number | Ref>(0), filled(1)];
  let [beginMask, endMask] = [(1 << rank) - 1, (1 << rank) - 1];
  axes.forEach((axis, i) => {
    const [from, to] = [0, 1].map((n) => known[n]?.[i] ?? part(node, node.x(n + 1), i, i + 1)) as [
      number | Ref,
      number | Ref,
    ];
    const step = steps[i] as number;
    strides[axis] = step;
    const isOpen = typeof from === 'number' && (step < 0 ? from >= OPEN || from === -1 : from === 0);
    if (!isOpen) {
      begin[axis] = from;
      beginMask &= ~(1 << axis);
    }
    if (typeof to !== 'number' || Math.abs(to) < OPEN) {
      end[axis] = to;
      endMask &= ~(1 << axis);
    }
  });
  node.out(
    node.tf('StridedSlice', [node.x(0), vector(node, begin), vector(node, end), e.ints(strides)], {
      begin_mask: tfAttr.int(beginMask),
      end_mask: tfAttr.int(endMask),
      ellipsis_mask: tfAttr.int(0),
      new_axis_mask: tfAttr.int(0),
      shrink_axis_mask: tfAttr.int(0),
      Index: tfAttr.type('int32'),
    }),
  );
};

const pad: WriteRule = (node) => {
  const value = node.value(0);
  const { rank } = value;
  if (node.has(3)) throw node.error('it pads chosen axes');
  const counts = node.known(1, 'the padding');
  const pairs = Array.from({ length: rank }, (_, i) => [counts[i] as number, counts[i + rank] as number] as const);
  if (pairs.flat().some((count) => count < 0)) throw node.error('it crops');
  const mode = node.text('mode', 'constant');
  const isLast = node.e.isLast(value);
  const moved = isLast ? [...pairs.slice(0, 1), ...pairs.slice(2), pairs[1] as readonly [number, number]] : pairs;
  const inputs = [isLast ? node.e.last(value) : node.x(0), node.e.ints(moved.flat(), [rank, 2])];
  if (mode !== 'constant' && mode !== 'reflect') throw node.error(`its mode is ${mode}`);
  const filled = node.has(2) ? Number(node.known(2, 'the value of the padding')[0]) : 0;
  const filler = isFloat(value.dtype) ? node.e.float(filled) : node.e.int(filled);
  const y =
    mode === 'reflect'
      ? node.tf('MirrorPad', inputs, { mode: tfAttr.text('REFLECT') })
      : node.tf('PadV2', [...inputs, filler], { Tpaddings: tfAttr.type('int32') });
  if (isLast) node.outLast(y);
  else node.out(y);
};

/** Both shapes broadcast, unlike in TensorFlow: a product with ones of the other shape does the same. */
const expand: WriteRule = (node) => {
  const { dtype } = node.value(0);
  const [y] = node.node.outputs;
  const known = y?.shape.every((dim) => typeof dim === 'number');
  if (known === true) {
    node.out(node.tf('BroadcastTo', [node.x(0), node.e.ints(y?.dims ?? [])], { Tidx: tfAttr.type('int32') }));
    return;
  }
  if (dtype === 'bool') throw node.error('conditions cannot be spread over open sizes');
  const one = isFloat(dtype) ? node.e.float(1) : node.e.int(1);
  node.out(node.tf('Mul', [node.x(0), node.tf('Fill', [node.x(1), one])]));
};

const constantOfShape: WriteRule = (node) => {
  const given = node.attributes['value'];
  const data = given !== undefined && 'tensor' in given ? given.tensor : undefined;
  const value = Number(data?.data[0] ?? 0);
  const filler = data === undefined || isFloat(data.dtype) ? node.e.float(value) : node.e.int(value);
  node.out(node.tf('Fill', [node.x(0), filler], { T: tfAttr.type(data?.dtype ?? 'float32') }));
};

const gather: WriteRule = (node) => {
  const { rank } = node.value(0);
  const given = node.int('axis', 0);
  const axis = node.e.int(given < 0 ? given + rank : given);
  const length = node.value(0).shape[given < 0 ? given + rank : given];
  const data = node.data(1);
  // Indices from the end are those of ONNX alone.
  const known = data === undefined ? [] : node.known(1, 'the indices');
  const fromEnd = known.some((index) => index < 0);
  if (fromEnd && typeof length !== 'number') throw node.error('it counts from the end of an open size');
  const counted = known.map((index) => (index < 0 ? index + (length as number) : index));
  const indices = fromEnd && data !== undefined ? node.e.ints(counted, data.shape) : node.x(1);
  node.out(
    node.tf('GatherV2', [node.x(0), indices, axis], { batch_dims: tfAttr.int(0), Tparams: tfAttr.type('float32') }),
  );
};

/** Adding to the rows of a matrix at given places is counting with weights. */
const scatterElements: WriteRule = (node) => {
  const x = node.value(0);
  const [, columns] = x.shape;
  const axis = node.int('axis', 0);
  const fits = x.rank === 2 && (axis === 1 || axis === -1) && node.text('reduction', 'none') === 'add';
  if (!fits || typeof columns !== 'number' || !isFloat(x.dtype)) {
    throw node.error('it adds to other things than the rows of a matrix');
  }
  const counts = node.tf('DenseBincount', [node.x(1), node.e.int(columns), node.x(2)], {
    binary_output: tfAttr.bool(false),
    Tidx: tfAttr.type('int32'),
  });
  node.out(node.tf('AddV2', [node.x(0), counts]));
};

const oneHot: WriteRule = (node) => {
  const values = node.known(2, 'its values');
  const [off, on] = values as [number, number];
  const depth = node.known(1, 'its depth')[0] as number;
  const number = (value: number): Ref => (isFloat(node.value(2).dtype) ? node.e.float(value) : node.e.int(value));
  node.out(
    node.tf('OneHot', [node.x(0), node.e.int(depth), number(on), number(off)], {
      axis: tfAttr.int(node.int('axis', -1)),
      T: tfAttr.type(node.value(2).dtype),
    }),
  );
};

/** Keeps what lies on one side of a diagonal, found by the numbers of rows and columns. */
const trilu: WriteRule = (node) => {
  const { rank, dtype } = node.value(0);
  const k = node.has(1) ? (node.known(1, 'the diagonal')[0] as number) : 0;
  const { e } = node;
  const all = sizes(node, 0);
  const int = { T: tfAttr.type('int32'), Tidx: tfAttr.type('int32') };
  const [rows, columns] = [rank - 2, rank - 1].map((axis) => {
    const size = node.tf('Squeeze', [part(node, all, axis, axis + 1)], { ...int, squeeze_dims: tfAttr.ints([0]) });
    return node.tf('Range', [e.int(0), size, e.int(1)], int);
  }) as [Ref, Ref];
  const diagonal = node.tf('AddV2', [node.tf('ExpandDims', [rows, e.int(1)], int), e.int(k)], int);
  const kept = node.tf(node.int('upper', 1) === 1 ? 'LessEqual' : 'GreaterEqual', [diagonal, columns], int);
  node.out(node.tf('SelectV2', [kept, node.x(0), isFloat(dtype) ? e.float(0) : e.int(0)]));
};

export const movement: Readonly<Record<string, WriteRule>> = {
  Shape: shape,
  Size: (node) => {
    node.out(node.tf('Size', [node.x(0)], { out_type: tfAttr.type('int32') }));
  },
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: flatten,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: expand,
  ConstantOfShape: constantOfShape,
  Tile: (node) => {
    node.out(node.tf('Tile', [node.x(0), node.x(1)], { Tmultiples: tfAttr.type('int32') }));
  },
  Range: (node) => {
    node.out(node.tf('Range', [node.x(0), node.x(1), node.x(2)], { Tidx: tfAttr.type(node.value(0).dtype) }));
  },
  Gather: gather,
  GatherND: (node) => {
    if (node.int('batch_dims', 0) !== 0) throw node.error('it has batch axes');
    const fromEnd = node.data(1) !== undefined && node.known(1, 'the indices').some((index) => index < 0);
    if (fromEnd) throw node.error('it counts from the end');
    node.out(node.tf('GatherNd', [node.x(0), node.x(1)]));
  },
  ScatterElements: scatterElements,
  OneHot: oneHot,
  Trilu: trilu,
};
