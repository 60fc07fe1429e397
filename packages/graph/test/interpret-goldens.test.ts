import { readFileSync } from 'node:fs';
import { differenceOf, type OpCase, opCases } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { type DType, evaluate, INFER, type TensorData, tensorFromBytes } from '../src/index.ts';
import { caseId } from './interpret/case-id.ts';

interface Golden {
  readonly id: string;
  readonly outputs: Readonly<
    Record<string, { readonly dtype: DType; readonly shape: number[]; readonly data: string }>
  >;
}

/** Written by tools/goldens/ops/make.ts. */
const goldens = JSON.parse(readFileSync(new URL('./fixtures/op-cases.json', import.meta.url), 'utf8')) as {
  readonly source: string;
  readonly refused: Readonly<Record<string, string>>;
  readonly cases: Readonly<Record<string, Golden>>;
};

/** Cases where ONNX Runtime and the interpreter are known to differ, and who is right. Strict: they must differ. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'ReduceMax: NaN': 'NaN is lost by the runtime in some reductions; ONNX refers to NumPy, which keeps it',
  'ReduceMin: NaN': 'the same',
};

/** Cases that ONNX Runtime refuses although ONNX allows them. */
const REFUSED: readonly string[] = ['Where: bool', 'LRN: even size'];

const cases = [...opCases()];

function decoded({ dtype, shape, data }: Golden['outputs'][string]): TensorData {
  return tensorFromBytes(dtype, shape, new Uint8Array(Buffer.from(data, 'base64')));
}

/** What is wrong with the interpreter's results, by output. */
function differences({ name, graph, feeds, tolerance }: OpCase): string[] {
  const actual = evaluate(graph, feeds);
  return Object.entries(goldens.cases[name]?.outputs ?? {}).flatMap(([output, golden]) => {
    const difference = differenceOf(actual[output] as TensorData, decoded(golden), tolerance[output]);
    return difference === undefined ? [] : [`${output}: ${difference}`];
  });
}

describe(`the interpreter against ${goldens.source}`, () => {
  it('covers every operator that has a type rule', () => {
    const covered = new Set(cases.filter(({ name }) => name in goldens.cases).map(({ op }) => op as string));
    expect(Object.keys(INFER).filter((op) => !covered.has(op))).toEqual([]);
  });

  it('has a golden of each case as it is now, or a reason', () => {
    const stale = cases.filter((c) => !REFUSED.includes(c.name) && goldens.cases[c.name]?.id !== caseId(c));
    // If this fails: node --conditions=@anneal/source --import ./scripts/source.mjs tools/goldens/ops/make.ts
    expect(stale.map(({ name }) => name)).toEqual([]);
    expect(Object.keys(goldens.refused)).toEqual(REFUSED);
    expect(Object.keys(goldens.cases)).toHaveLength(cases.length - REFUSED.length);
  });

  it.each(Object.keys(INFER))('%s', (op) => {
    const wrong = cases
      .filter((c) => c.op === op && !(c.name in DIFFERENT))
      .flatMap((c) => differences(c).map((difference) => `${c.name}: ${difference}`));
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(DIFFERENT))('differs on %s: %s', (name) => {
    expect(differences(cases.find((c) => c.name === name) as OpCase)).not.toEqual([]);
  });
});
