import type { TensorData, Tensors } from '@anneal/graph';

import type { JsonObject, JsonValue } from '../json.ts';

/** One record of a dataset: plain JSON, so that it can be cached and reported. */
export type Row = { readonly [column: string]: JsonValue | undefined };

/** `train`, `validation`, `test`, or any other name. */
export type SplitName = 'train' | 'validation' | 'test' | (string & {});

/** Rows by {@link SplitName}, and what is worth reporting about how they came to be. */
export interface Dataset {
  /** In order of the names. */
  readonly splits: Readonly<Record<string, readonly Row[]>>;
  /** Goes to the report of the build. */
  readonly report: DataReport;
}

/** How rows came to be; a section of the report. */
export interface DataReport {
  /** Rows that the sources gave. */
  readonly rowsIn: number;
  /** Rows dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** A few dropped rows for a reader: reason, id, excerpt … */
  readonly samples: readonly JsonObject[];
  /** Rows by split. */
  readonly splits: Readonly<Record<string, number>>;
  /** Anything else: class balance, lengths, duplicates. */
  readonly details?: JsonObject | undefined;
}

/** A value of a feature: a number, or a vector whose length becomes the padded axis. */
export type Feature = number | readonly number[] | Int32Array | Float32Array;

/** A row on its way to becoming tensors. Waterfall taps return a new sample with more features. */
export interface Sample {
  /** Where it comes from. */
  readonly row: Row;
  /** Tensors by graph input or target name, e.g. `input_ids`, `attention_mask`, `labels`. */
  readonly features: Readonly<Record<string, Feature>>;
}

/** Padded samples. */
export interface Batch {
  /** Graph inputs and targets. */
  readonly tensors: Tensors;
  /** The rows in order, without the padding rows. */
  readonly rows: readonly Row[];
  /** Rows including padding rows. */
  readonly size: number;
  /** `[size]`: 1 for a real row, 0 for padding. */
  readonly sampleWeights: TensorData;
  /** Elements on the sequence axis that are not padding, over all rows. */
  readonly tokens: number;
  /** Padded length of the sequence axis; `undefined` when there is none. */
  readonly length: number | undefined;
}
