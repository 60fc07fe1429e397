import { featureSpecs, type FeatureSpec } from '../data/batches.ts';
import type { Row, Sample, SplitName } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { SampleContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { random } from '../random.ts';
import type { Run } from '../run.ts';
import type { Task } from '../task.ts';
import type { StageDataConfig } from '../config/types.ts';

/** Longest sequence that a model takes. */
export function maxLengthOf(model: Model, wanted: number | undefined): number {
  const limit = model.config['max_position_embeddings'];
  const own = typeof limit === 'number' ? limit : 512;
  return Math.min(wanted ?? own, own);
}

export interface EncodeOptions {
  /** Add the task's targets. */
  readonly targets: boolean;
  /** Let the task pack the samples. @defaultValue as `targets` */
  readonly pack?: boolean | undefined;
}

/** Turns rows into samples through `data.transformSample` and, with targets, the task. */
export function encodeRows(
  rows: readonly Row[],
  hooks: CallableHooks,
  ctx: SampleContext,
  { targets, pack = targets }: EncodeOptions,
): readonly Sample[] {
  const { task, maxLength } = ctx;
  const packs = pack && task.pack !== undefined;
  // What is packed is cut into blocks, not off.
  const own: SampleContext = packs ? { ...ctx, maxLength: Number.POSITIVE_INFINITY } : ctx;
  const samples = rows.map((row) => {
    const sample = hooks.data.transformSample.call({ row, features: {} }, own);
    return targets ? task.encode(sample) : sample;
  });
  return packs ? (task.pack?.(samples, maxLength) ?? samples) : samples;
}

/** Elements of outputs that are kept or sent at a time: 64 MiB of float32. */
const OUTPUT_ELEMENTS = 2 ** 24;

/** How many of `rows` rows have outputs that fit into memory at a time; at least one. */
export function rowsWithin({ graph }: Model, maxLength: number, rows: number): number {
  let each = 0;
  for (const { shape } of graph.outputs.values()) {
    each += shape.slice(1).reduce<number>((size, dim) => size * (typeof dim === 'number' ? dim : maxLength), 1);
  }
  return Math.max(1, Math.min(rows, Math.floor(OUTPUT_ELEMENTS / each)));
}

/** What turns rows into batches for one model. */
export interface Encoding {
  readonly specs: readonly FeatureSpec[];
  readonly inputs: ReadonlySet<string>;
  readonly maxLength: number;
  encode(rows: readonly Row[], split: SplitName | undefined, options: EncodeOptions): readonly Sample[];
}

export function encodingOf(
  model: Model,
  task: Task,
  hooks: CallableHooks,
  run: Run,
  { maxLength: wanted, targets }: { maxLength: number | undefined; targets: boolean },
): Encoding {
  const maxLength = maxLengthOf(model, wanted);
  return {
    specs: featureSpecs(model, targets ? task : undefined),
    inputs: new Set(model.graph.inputs.keys()),
    maxLength,
    encode: (rows, split, options) => encodeRows(rows, hooks, { run, task, split, maxLength }, options),
  };
}

/**
 * The rows of a split that a stage uses.
 *
 * @throws AnnealError `ANNEAL_E_DATA` when `where` names a column that no row has, or nothing is left.
 */
export function selectRows(
  rows: readonly Row[],
  split: SplitName,
  { where = {}, limit }: StageDataConfig,
  stage: string,
  seed: number,
): readonly Row[] {
  let selected = rows;
  for (const [column, wanted] of Object.entries(where)) {
    const accepted = new Set<unknown>(Array.isArray(wanted) ? wanted : [wanted]);
    if (rows.length > 0 && !rows.some((row) => column in row)) {
      throw new AnnealError(
        'ANNEAL_E_DATA',
        `no row of split "${split}" has the column \`${column}\`, received ${Object.keys(rows[0] ?? {}).join(', ')}`,
        {
          path: ['stages', stage, 'data', 'where', column],
        },
      );
    }
    selected = selected.filter((row) => accepted.has(row[column]));
  }
  if (selected.length === 0 && split === 'train') {
    throw new AnnealError(
      'ANNEAL_E_DATA',
      `stage \`${stage}\` has no training rows: ${JSON.stringify(where)} matches none of ${rows.length}`,
      {
        path: ['stages', stage, 'data', 'where'],
      },
    );
  }
  if (limit === undefined || limit >= selected.length) return selected;
  const order = random(seed, 'limit', stage, split).permutation(selected.length);
  return [...order.subarray(0, limit)].toSorted((a, b) => a - b).map((i) => selected[i] as Row);
}
