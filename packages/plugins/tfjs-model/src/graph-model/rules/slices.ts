import type { Dim, Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import type { OpContext, OpRule } from '../context.ts';
import { Item } from '../item.ts';

const INT_MAX = Number.MAX_SAFE_INTEGER;
const MAX_AXES = 32;

/** Where a range begins or ends: a number, or a vector of one that is computed. */
type Bound = number | Value;

interface Range {
  readonly axis: number;
  readonly start: Bound;
  readonly end: Bound;
  readonly step: number;
}

/** One place of a vector of integers. */
function boundAt(node: OpContext, index: number, i: number): Bound {
  const dim = node.item(index).contents?.[i];
  return typeof dim === 'number' ? dim : node.ops.slice(node.x(index), [{ axis: 0, start: i, end: i + 1 }]);
}

/** How many integers a vector has. */
function lengthOf(node: OpContext, index: number): number {
  const length = node.item(index).contents?.length ?? node.x(index).shape[0];
  if (typeof length === 'number' && length <= MAX_AXES) return length;
  throw node.error(`input ${index} must have a place for each axis`);
}

function cut(node: OpContext, x: Value, ranges: readonly Range[]): Value {
  if (ranges.length === 0) return x;
  const { g, ops } = node;
  const vector = (bounds: readonly Bound[]): Value =>
    bounds.every((bound) => typeof bound === 'number')
      ? g.ints(bounds as readonly number[])
      : ops.concat(
          bounds.map((bound) => (typeof bound === 'number' ? g.ints([bound]) : bound)),
          { axis: 0 },
        );
  return g.one('Slice', [
    x,
    vector(ranges.map(({ start }) => start)),
    vector(ranges.map(({ end }) => end)),
    g.ints(ranges.map(({ axis }) => axis)),
    g.ints(ranges.map(({ step }) => step)),
  ]);
}

/** Part of the tensor, and of what is known of it. */
function sliced(
  node: OpContext,
  ranges: readonly Range[],
  gone: readonly number[] = [],
  added: readonly number[] = [],
): Item {
  const { contents } = node.item(0);
  const make = (): Traced => {
    const { ops } = node;
    const part = cut(node, node.x(0), ranges);
    const without = gone.length === 0 ? part : ops.squeeze(part, gone);
    return Traced.last(node.g, added.length === 0 ? without : ops.expandDims(without, added));
  };
  if (contents === undefined || added.length > 0 || ranges.length > 1) return Item.of(make());
  const [{ start, end, step } = { start: 0, end: INT_MAX, step: 1 }] = ranges;
  if (typeof start !== 'number' || typeof end !== 'number' || step !== 1) return Item.of(make());
  const at = (value: number): number => (value < 0 ? Math.max(0, value + contents.length) : value);
  return new Item({ make, contents: contents.slice(at(start), at(end)) });
}

const slice: OpRule = (node) => {
  const ranges = Array.from({ length: lengthOf(node, 1) }, (_, axis): Range => {
    const [start, length] = [boundAt(node, 1, axis), boundAt(node, 2, axis)];
    const sum = (): Value => {
      const [a, b] = [start, length].map((bound) => (typeof bound === 'number' ? node.g.ints([bound]) : bound));
      return node.ops.add(a as Value, b as Value);
    };
    if (typeof length === 'number' && length < 0) return { axis, start, end: INT_MAX, step: 1 };
    return {
      axis,
      start,
      end: typeof start === 'number' && typeof length === 'number' ? start + length : sum(),
      step: 1,
    };
  });
  return sliced(
    node,
    ranges.filter(({ start, end }) => start !== 0 || end !== INT_MAX),
  );
};

/** NumPy's slices; bits of the masks say of each entry that an end is open, or that it is no slice. */
const stridedSlice: OpRule = (node) => {
  const strides = node.ints(3);
  const count = lengthOf(node, 1);
  const mask = (key: string): ((i: number) => boolean) => {
    const bits = node.attrInt(key, 0);
    return (i) => i < 31 && ((bits >> i) & 1) === 1;
  };
  const [openBegin, openEnd] = [mask('begin_mask'), mask('end_mask')];
  const [shrinks, adds, ellipsis] = [mask('shrink_axis_mask'), mask('new_axis_mask'), mask('ellipsis_mask')];
  const { contents } = node.item(0);
  const ranges: Range[] = [];
  const gone: number[] = [];
  const added: number[] = [];
  let axis = 0;
  let out = 0;
  const axes = contents !== undefined && count === 1 ? 1 : node.traced(0).rank;
  for (let i = 0; i < count; i++) {
    if (ellipsis(i)) {
      const after = Array.from({ length: count - i - 1 }, (_, n) => i + 1 + n).filter((n) => !adds(n)).length;
      out += Math.max(0, axes - after - axis);
      axis = Math.max(axis, axes - after);
    } else if (adds(i)) added.push(out++);
    else if (shrinks(i)) {
      const start = boundAt(node, 1, i);
      const after = typeof start === 'number' ? start + 1 : node.ops.add(start, 1);
      ranges.push({ axis, start, end: after === 0 ? INT_MAX : after, step: 1 });
      gone.push(axis++);
    } else {
      const step = strides[i] as number;
      const from = openBegin(i) ? (step > 0 ? 0 : INT_MAX) : boundAt(node, 1, i);
      const to = openEnd(i) ? (step > 0 ? INT_MAX : -INT_MAX) : boundAt(node, 2, i);
      if (step === 0) throw node.error('a step of 0');
      if (from !== 0 || to !== INT_MAX || step !== 1) ranges.push({ axis, start: from, end: to, step });
      axis++;
      out++;
    }
  }
  return sliced(node, ranges, gone, added);
};

const gather: OpRule = (node) => {
  const axis = node.inputs.length > 2 ? node.int(2) : 0;
  if (node.attrInt('batch_dims', 0) !== 0) throw node.error('`batch_dims` are not supported');
  const { contents } = node.item(0);
  const indices = node.item(1).contents;
  const make = (): Traced => Traced.last(node.g, node.ops.take(node.x(0), node.x(1), { axis }));
  if (contents === undefined || indices === undefined) return Item.of(make());
  const found = indices.map((i) => (typeof i === 'number' ? contents[i < 0 ? i + contents.length : i] : undefined));
  return found.includes(undefined) ? Item.of(make()) : new Item({ make, contents: found as readonly Dim[] });
};

const gatherNd: OpRule = (node) => node.result(node.g.one('GatherND', [node.x(0), node.x(1)]));

const reverse: OpRule = (node) => {
  const x = node.x(0);
  const ranges = node.axes(1, x.rank).map((axis) => ({ axis, start: -1, end: -INT_MAX, step: -1 }));
  return node.result(node.ops.slice(x, ranges));
};

export const sliceRules: Readonly<Record<string, OpRule>> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  Gather: gather,
  GatherV2: gather,
  GatherNd: gatherNd,
  ReverseV2: reverse,
};
