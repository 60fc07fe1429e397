import type { Dim, Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import type { OpContext, OpRule } from '../context.ts';
import { type Ids, Item } from '../item.ts';

/**
 * TensorFlow looks features of text up in sparse tensors: indices, values and a shape, in three tensors, through a dozen
 * operators. Here all of them are only about the text; ids are one dense input of the graph, and a sum or a mean of their
 * rows of a table is a product of the table with how often each id occurs.
 */
const outside =
  (outputs: number): OpRule =>
  (node) =>
    Array.from({ length: outputs }, () => Item.text({ origin: node.name }));

/** A loop over texts; others are not supported. */
const loop: OpRule = (node) => {
  if (node.inputs.some(({ text }) => text !== undefined)) return outside(16)(node);
  throw node.error('loops are not supported', 'save the model without them: unrolled, or with a fixed length');
};

/** The ids among the inputs. */
function idsOf(node: OpContext): Ids | undefined {
  return node.inputs.find(({ text }) => text?.ids !== undefined)?.text?.ids;
}

const hash: OpRule = (node) => {
  const { text } = node.item(0);
  if (text === undefined) throw node.error('takes text');
  const buckets = node.attrInt('num_buckets');
  if (buckets < 1 || buckets > 2 ** 24) throw node.error(`${buckets} buckets are not supported`);
  const key = `${text.origin ?? node.name}:${buckets}`;
  let ids = node.state.ids.get(key);
  if (ids === undefined) {
    ids = { value: node.state.idsInput(buckets), buckets };
    node.state.ids.set(key, ids);
  }
  return Item.text({ ids });
};

const fillEmptyRows: OpRule = (node) => {
  const ids = idsOf(node);
  return [Item.text(), Item.text({ ids }), Item.text({ emptyOf: ids }), Item.text()];
};

/** The new shape of a sparse tensor, where the sizes are known. */
const sparseReshape: OpRule = (node) => {
  const [before, wanted] = [node.item(1).contents, node.item(2).contents];
  const contents = before && wanted && filled(before, wanted);
  if (contents === undefined) return [Item.text(), Item.text()];
  return [Item.text(), new Item({ contents })];
};

/** `wanted` with -1 as what is left. */
function filled(before: readonly Dim[], wanted: readonly Dim[]): readonly Dim[] | undefined {
  const rest = [...before];
  for (const dim of wanted) {
    const at = rest.indexOf(dim);
    if (at >= 0) rest.splice(at, 1);
  }
  if (!wanted.includes(-1)) return wanted;
  return rest.length === 1 ? wanted.map((dim) => (dim === -1 ? (rest[0] as Dim) : dim)) : undefined;
}

/** How often each id occurs in each row. */
function counts(node: OpContext, ids: Ids): Value {
  if (ids.counts !== undefined) return ids.counts;
  const { ops, g } = node;
  const { value, buckets } = ids;
  const present = ops.cast(ops.greaterEqual(value, 0), 'float32');
  const zero = ops.mul(ops.sum(present, { axes: [1], keepdims: true }), 0);
  const zeros = g.one('Expand', [zero, g.ints([1, buckets])]);
  const index = ops.cast(ops.maximum(value, 0), 'int64');
  ids.counts = ops.scatterAdd(zeros, index, present, { axis: 1 });
  return ids.counts;
}

function lookUp(mode: 'sum' | 'mean'): OpRule {
  return (node) => {
    const ids = idsOf(node);
    if (ids === undefined) throw node.error('takes rows of a table by ids of text');
    const { ops } = node;
    const count = counts(node, ids);
    const sum = ops.matmul(count, node.x(0));
    const value = mode === 'sum' ? sum : ops.div(sum, ops.maximum(ops.sum(count, { axes: [1], keepdims: true }), 1));
    return Item.of(Traced.last(node.g, value), { sumOf: ids });
  };
}

/** Results of operators that only move text about. */
const moved: OpRule = outside(1);

/** Elements of a list have the shape that is declared, after the length of the list. */
const listStack: OpRule = (node) => {
  const shape = node.item(1).contents;
  const dims = shape?.length === 1 ? ['batch', 'sequence'] : undefined;
  return Item.text({ dims, origin: node.name });
};

export const textRules: Readonly<Record<string, OpRule>> = {
  StringToHashBucketFast: hash,
  StringSplit: outside(3),
  StringNGrams: outside(2),
  SparseReshape: sparseReshape,
  SparseFillEmptyRows: fillEmptyRows,
  SparseSegmentSum: lookUp('sum'),
  SparseSegmentMean: lookUp('mean'),
  TensorListFromTensor: moved,
  TensorListReserve: moved,
  TensorListStack: listStack,
  StatelessWhile: loop,
  While: loop,
  HashTableV2: moved,
  LookupTableFindV2: moved,
};

/** What comes of operators on tensors when an input is text: text, and with it the ids and names that it stands for. */
export function ofText(node: OpContext): readonly Item[] {
  const texts = node.inputs.flatMap(({ text }) => (text === undefined ? [] : [text]));
  const ids = texts.find((text) => text.ids !== undefined)?.ids;
  const emptyOf = texts.find((text) => text.emptyOf !== undefined)?.emptyOf;
  const strings = texts.find((text) => text.strings !== undefined)?.strings;
  if (node.op === 'Shape') {
    const [dims] = texts.map((text) => text.dims);
    return [dims === undefined ? Item.text() : new Item({ contents: dims })];
  }
  // A condition on ids, and where it holds, are not the ids.
  const keepsIds = node.op === 'GatherV2' || node.op === 'Gather' || node.op === 'Identity';
  const keepsDims = node.op === 'Identity';
  return Array.from({ length: 4 }, () =>
    Item.text({
      ids: keepsIds ? ids : undefined,
      emptyOf,
      strings,
      origin: texts[0]?.origin,
      ...(keepsDims && { dims: texts[0]?.dims }),
    }),
  );
}
