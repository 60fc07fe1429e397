import { type Dim, tensor, type Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import type { OpContext, OpRule } from '../context.ts';
import { Item } from '../item.ts';
import { times } from './elementwise.ts';

const shape: OpRule = (node) => {
  const x = node.traced(0);
  // Sizes are those of TensorFlow's order, whatever order the tensor is in.
  return new Item({ make: () => Traced.last(node.g, node.ops.shapeOf(x.last)), contents: x.shape });
};

const size: OpRule = (node) => {
  const x = node.traced(0);
  const known = x.shape.reduce<Dim | undefined>((a, b) => (a === undefined ? undefined : times(a, b)), 1);
  const make = () => Traced.last(node.g, node.g.one('Size', [x.last]));
  return new Item({ make, contents: known === undefined ? undefined : [known] });
};

const rank: OpRule = (node) => constant(node, [node.traced(0).rank], []);

/** Integers that are known. */
function constant(node: OpContext, values: readonly number[], dims: readonly number[] = [values.length]): Item {
  const make = () => Traced.last(node.g, node.g.constant(tensor('int64', dims, values.map(BigInt))));
  return new Item({ make, contents: values });
}

const reshape: OpRule = (node) => {
  const x = node.x(0);
  const { contents } = node.item(1);
  const { contents: elements } = node.item(0);
  const y = contents === undefined ? undefined : shaped(node, x, contents);
  if (y === undefined) return node.result(node.g.one('Reshape', [x, node.x(1)]));
  return elements !== undefined && y.rank <= 1
    ? Item.of(Traced.last(node.g, y), { contents: elements })
    : node.result(y);
};

/** A reshape to sizes that are numbers or names; `undefined` where a name is of another tensor. */
function shaped(node: OpContext, x: Value, dims: readonly Dim[]): Value | undefined {
  const open = dims.filter((dim, i) => typeof dim === 'string' && x.shape[i] !== dim);
  const holes = dims.filter((dim) => dim === -1).length;
  if (open.length + holes <= 1) {
    return node.ops.reshape(
      x,
      dims.map((dim) => (open.includes(dim) ? -1 : dim)),
    );
  }
  return open.every((dim) => x.shape.includes(dim)) && holes === 0 ? node.ops.reshape(x, dims) : undefined;
}

const squeeze: OpRule = (node) => {
  const x = node.x(0);
  const given = node.attrInts('squeeze_dims', node.attrInts('axis', []));
  const axes =
    given.length > 0
      ? given.map((axis) => node.axis(axis, x.rank))
      : x.shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
  const { contents } = node.item(0);
  return Item.of(Traced.last(node.g, axes.length === 0 ? x : node.ops.squeeze(x, axes)), { contents });
};

const expandDims: OpRule = (node) => {
  const x = node.x(0);
  const axis = node.axis(node.int(1), x.rank + 1);
  const { contents } = node.item(0);
  return Item.of(Traced.last(node.g, node.ops.expandDims(x, [axis])), {
    contents: x.rank === 0 ? contents : undefined,
  });
};

const pack: OpRule = (node) => {
  const axis = node.attrInt('axis', 0);
  const parts = node.inputs.map(({ contents }) => contents);
  const make = (): Traced => {
    const rows = node.inputs.map((_, i) => node.ops.expandDims(node.x(i), [axis]));
    return Traced.last(node.g, node.ops.concat(rows, { axis }));
  };
  if (parts.every((part) => part?.length === 1))
    return new Item({ make, contents: parts.flatMap((part) => part ?? []) });
  return Item.of(make());
};

const unpack: OpRule = (node) => {
  const x = node.x(0);
  const axis = node.axis(node.attrInt('axis', 0), x.rank);
  const count = node.attrInt('num', typeof x.shape[axis] === 'number' ? (x.shape[axis] as number) : undefined);
  if (count < 1 || count > 4096) throw node.error(`${count} parts`);
  const parts = node.ops.split(
    x,
    Array.from({ length: count }, () => 1),
    { axis },
  );
  const { contents } = node.item(0);
  return parts.map((part, i) =>
    Item.of(Traced.last(node.g, node.ops.squeeze(part, [axis])), { contents: contents && [contents[i] as Dim] }),
  );
};

function concat(node: OpContext, values: readonly number[], axisAt: number): Item {
  const parts = values.map((i) => node.item(i).contents);
  const make = (): Traced => {
    const tensors = values.map((i) => node.traced(i));
    const { rank: axes } = tensors[0] as Traced;
    const axis = node.axis(node.int(axisAt), axes);
    if (axes >= 3 && tensors.every((x) => x.isFirst && x.rank === axes)) {
      const moved = axis === 0 ? 0 : axis === axes - 1 ? 1 : axis + 1;
      return Traced.first(
        node.g,
        node.ops.concat(
          tensors.map((x) => x.first),
          { axis: moved },
        ),
      );
    }
    return Traced.last(
      node.g,
      node.ops.concat(
        tensors.map((x) => x.last),
        { axis },
      ),
    );
  };
  if (parts.every((part) => part !== undefined))
    return new Item({ make, contents: parts.flatMap((part) => part ?? []) });
  return Item.of(make());
}

const concatV2: OpRule = (node) => {
  const last = node.inputs.length - 1;
  return concat(
    node,
    Array.from({ length: last }, (_, i) => i),
    last,
  );
};

const concatOld: OpRule = (node) =>
  concat(
    node,
    Array.from({ length: node.inputs.length - 1 }, (_, i) => i + 1),
    0,
  );

function parts(node: OpContext, x: Value, sizes: readonly number[], axis: number): readonly Item[] {
  return node.ops.split(x, sizes, { axis }).map((part) => node.result(part));
}

const split: OpRule = (node) => {
  const x = node.x(1);
  const axis = node.axis(node.int(0), x.rank);
  const count = node.attrInt('num_split');
  const length = x.shape[axis];
  if (typeof length !== 'number' || count < 1 || length % count !== 0) {
    throw node.error(`${String(length)} elements do not divide into ${count} parts`);
  }
  return parts(
    node,
    x,
    Array.from({ length: count }, () => length / count),
    axis,
  );
};

const splitV: OpRule = (node) => {
  const x = node.x(0);
  const axis = node.axis(node.int(2), x.rank);
  const sizes = node.ints(1);
  const rest = sizes.filter((part) => part >= 0).reduce((a, b) => a + b, 0);
  const length = x.shape[axis];
  const known = sizes.map((part) => (part >= 0 || typeof length !== 'number' ? part : length - rest));
  if (known.some((part) => part < 0)) throw node.error(`the sizes ${sizes.join(', ')} do not fit ${String(length)}`);
  return parts(node, x, known, axis);
};

const transpose: OpRule = (node) => node.result(node.ops.transpose(node.x(0), node.axes(1, node.traced(0).rank)));

/** Pairs of numbers as a tensor has them: `[[before, after], …]`. */
function pairs(node: OpContext, index: number): readonly (readonly [number, number])[] {
  const flat = node.ints(index);
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as number, flat[2 * i + 1] as number] as const);
}

const pad: OpRule = (node) => {
  const value = node.inputs.length > 2 ? Number(node.item(2).weight?.data[0] ?? Number.NaN) : 0;
  if (Number.isNaN(value)) throw node.error('the value of the padding must be known');
  const ends = pairs(node, 1);
  const x = node.traced(0);
  if (!x.isFirst || ends.length !== x.rank) return node.result(node.ops.pad(x.last, ends, { value }));
  const moved = [ends[0], ends.at(-1), ...ends.slice(1, -1)] as (readonly [number, number])[];
  return Item.of(Traced.first(node.g, node.ops.pad(x.first, moved, { value })));
};

const mirrorPad: OpRule = (node) => {
  if (node.attrText('mode') !== 'REFLECT') throw node.error('takes the mode REFLECT alone');
  const ends = pairs(node, 1);
  const counts = node.g.ints([...ends.map(([before]) => before), ...ends.map(([, after]) => after)]);
  return node.result(node.g.one('Pad', [node.x(0), counts], { attributes: { mode: { string: 'reflect' } } }));
};

/** A vector of sizes, computed where it is not known. */
function sizesOf(node: OpContext, index: number): Value {
  const { contents } = node.item(index);
  const known = contents?.every((dim) => typeof dim === 'number');
  return known === true ? node.g.ints(contents as readonly number[]) : node.x(index);
}

const fill: OpRule = (node) => node.result(node.g.one('Expand', [node.x(1), sizesOf(node, 0)]));
const broadcastTo: OpRule = (node) => node.result(node.g.one('Expand', [node.x(0), sizesOf(node, 1)]));
const tile: OpRule = (node) => node.result(node.g.one('Tile', [node.x(0), sizesOf(node, 1)]));

function like(value: number): OpRule {
  return (node) => {
    const x = node.x(0);
    const filled = node.g.one('Expand', [node.g.scalar(value, x.dtype), node.ops.shapeOf(x)]);
    return Item.of(Traced.last(node.g, filled), { isZeros: value === 0 });
  };
}

const range: OpRule = (node) => {
  const known = [0, 1, 2].map((i) => node.item(i).contents);
  if (known.every((part) => part?.length === 1 && typeof part[0] === 'number')) {
    const [start, limit, step] = known.map((part) => (part as readonly number[])[0]) as [number, number, number];
    const count = Math.max(0, Math.ceil((limit - start) / step));
    if (!(count <= 2 ** 20)) throw node.error(`${count} numbers`);
    return constant(
      node,
      Array.from({ length: count }, (_, i) => start + i * step),
    );
  }
  return node.result(node.g.one('Range', [node.x(0), node.x(1), node.x(2)]));
};

const oneHot: OpRule = (node) => {
  const [on, off] = [node.x(2), node.x(3)];
  const values = node.ops.concat([node.ops.expandDims(off, [0]), node.ops.expandDims(on, [0])], { axis: 0 });
  const depth = node.g.scalar(node.int(1), 'int64');
  const attributes = { axis: { int: node.attrInt('axis', -1) } };
  return node.result(node.g.one('OneHot', [node.x(0), depth, values], { attributes }));
};

const topK: OpRule = (node) => {
  const k = node.g.ints([node.int(1)]);
  const attributes = { sorted: { int: Number(node.attrBool('sorted', true)) } };
  return (node.g.node('TopK', [node.x(0), k], { attributes, outputs: 2 }) as Value[]).map((value) =>
    node.result(value),
  );
};

export const movementRules: Readonly<Record<string, OpRule>> = {
  Shape: shape,
  Size: size,
  Rank: rank,
  Reshape: reshape,
  Squeeze: squeeze,
  ExpandDims: expandDims,
  Pack: pack,
  Unpack: unpack,
  ConcatV2: concatV2,
  Concat: concatOld,
  Split: split,
  SplitV: splitV,
  Transpose: transpose,
  Pad: pad,
  PadV2: pad,
  MirrorPad: mirrorPad,
  Fill: fill,
  BroadcastTo: broadcastTo,
  Tile: tile,
  ZerosLike: like(0),
  OnesLike: like(1),
  Range: range,
  OneHot: oneHot,
  TopKV2: topK,
};
