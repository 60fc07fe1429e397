import type { Attributes, DType, OpKey } from '@anneal/graph';
import type { Tolerance } from '../compare.ts';

/** What one input of a case holds. */
export interface CaseInput {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements, or the range that they are drawn from. */
  readonly content: readonly number[] | { readonly low: number; readonly high: number };
  /** A constant of the graph, which inference sees, or an input of it. */
  readonly constant: boolean;
}

/** One application of one operator. */
export interface CaseSpec {
  /** What is special about it; unique for the operator. */
  readonly label: string;
  readonly inputs: readonly (CaseInput | undefined)[];
  readonly attributes?: Attributes | undefined;
  /** @defaultValue `1` */
  readonly outputs?: number | undefined;
  /** Version of the ai.onnx operator set. @defaultValue `21` */
  readonly opset?: number | undefined;
  /** By default that of the output's element type. */
  readonly tolerance?: Tolerance | undefined;
}

/** Cases of some operators. */
export type CaseTable<K extends OpKey> = Readonly<Record<K, readonly CaseSpec[]>>;

/** An input of random elements between `low` and `high`; integers include both ends. */
export function random(
  shape: readonly number[],
  low: number = -2,
  high: number = 2,
  dtype: DType = 'float32',
): CaseInput {
  return { dtype, shape, content: { low, high }, constant: false };
}

/** An input of given elements; a vector unless a shape is given. */
export function given(
  content: readonly number[],
  shape: readonly number[] = [content.length],
  dtype: DType = 'float32',
): CaseInput {
  return { dtype, shape, content, constant: false };
}

/** A constant of the graph. */
export function constant(
  content: readonly number[],
  shape: readonly number[] = [content.length],
  dtype: DType = 'int64',
): CaseInput {
  return { dtype, shape, content, constant: true };
}

/** A case; the label and inputs come first because all have them. */
export function of(
  label: string,
  inputs: readonly (CaseInput | undefined)[],
  rest: Omit<CaseSpec, 'label' | 'inputs'> = {},
): CaseSpec {
  return { label, inputs, ...rest };
}

/** Attributes from plain values: numbers are ints, lists are lists of ints, `float()` marks a float. */
export function attributes(
  values: Readonly<Record<string, number | string | readonly number[] | { float: number }>>,
): Attributes {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (typeof value === 'number') return [name, { int: value }];
      if (typeof value === 'string') return [name, { string: value }];
      return [name, 'float' in value ? { float: value.float } : { ints: value }];
    }),
  );
}

export function float(value: number): { float: number } {
  return { float: value };
}

/** Zeros, ties, small and large numbers. */
export const EDGES: readonly number[] = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 1e-20, -1e-20, 60, -60];

/** What is not a finite number. */
export const SPECIALS: readonly number[] = [Infinity, -Infinity, Number.NaN];
