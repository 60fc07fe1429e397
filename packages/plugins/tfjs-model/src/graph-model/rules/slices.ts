import type { Dim } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import type { OpContext, OpRule } from '../context.ts';
import { Item } from '../item.ts';

const INT_MAX = Number.MAX_SAFE_INTEGER;

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step?: number;
}

/** Part of the tensor, and of what is known of it. */
function sliced(
  node: OpContext,
  ranges: readonly Range[],
  gone: readonly number[] = [],
  added: readonly number[] = [],
): Item {
  const { contents } = node.item(0);
  const [first] = ranges;
  const make = (): Traced => {
    const { ops } = node;
    const x = node.x(0);
    const cut = ranges.length === 0 ? x : ops.slice(x, ranges);
    const without = gone.length === 0 ? cut : ops.squeeze(cut, gone);
    return Traced.last(node.g, added.length === 0 ? without : ops.expandDims(without, added));
  };
  if (contents === undefined || added.length > 0) return Item.of(make());
  if (first === undefined) return new Item({ make, contents });
  if (ranges.length > 1 || (first.step ?? 1) !== 1) return Item.of(make());
  const at = (value: number): number => (value < 0 ? Math.max(0, value + contents.length) : value);
  return new Item({ make, contents: contents.slice(at(first.start), at(first.end)) });
}

const slice: OpRule = (node) => {
  const [begin, sizes] = [node.ints(1), node.ints(2)];
  const ranges = begin.map((start, axis) => {
    const length = sizes[axis] ?? -1;
    return { axis, start, end: length < 0 ? INT_MAX : start + length };
  });
  return sliced(
    node,
    ranges.filter(({ start, end }) => start !== 0 || end !== INT_MAX),
  );
};

/** NumPy's slices; bits of the masks say of each entry that an end is open, or that it is no slice. */
const stridedSlice: OpRule = (node) => {
  const [begin, end, strides] = [node.ints(1), node.ints(2), node.ints(3)];
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
  const axes = contents !== undefined && begin.length === 1 ? 1 : node.traced(0).rank;
  begin.forEach((start, i) => {
    if (ellipsis(i)) {
      const after = begin.slice(i + 1).filter((_, n) => !adds(i + 1 + n)).length;
      out += Math.max(0, axes - after - axis);
      axis = Math.max(axis, axes - after);
    } else if (adds(i)) added.push(out++);
    else if (shrinks(i)) {
      ranges.push({ axis, start, end: start === -1 ? INT_MAX : start + 1 });
      gone.push(axis++);
    } else {
      const step = strides[i] as number;
      const from = openBegin(i) ? (step > 0 ? 0 : INT_MAX) : start;
      const to = openEnd(i) ? (step > 0 ? INT_MAX : -INT_MAX) : (end[i] as number);
      if (step === 0) throw node.error('a step of 0');
      if (from !== 0 || to !== INT_MAX || step !== 1) ranges.push({ axis, start: from, end: to, step });
      axis++;
      out++;
    }
  });
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
