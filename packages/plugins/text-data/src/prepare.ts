import { createCleaner } from './clean.ts';
import { createDeduplicator, type DedupCounts } from './dedup/deduplicate.ts';
import { classesOf, createLabeller, type Labeller } from './labels.ts';
import type { TextDataOptions } from './options.ts';
import { inside, listed, problem } from './problems.ts';
import { createDropLog, excerptOf, type DropSample } from './drops.ts';
import { shorten, type ShortenOptions } from './shorten.ts';
import { openSource } from './sources/open.ts';
import { readRecords, type TextRecord } from './sources/records.ts';
import type { OpenedSource } from './sources/types.ts';
import { DEFAULT_RATIOS, splitRows } from './split.ts';
import { textStats, type TextStats } from './stats.ts';

/** One row of the prepared data. */
export interface TextRow {
  /** Unique. */
  readonly id: string;
  /** Cleaned. */
  readonly text: string;
  /** Class; absent when the data has no labels. */
  readonly label?: string | undefined;
  /** Where it comes from, as the splits know it. */
  readonly group?: string | undefined;
  readonly [column: string]: unknown;
}

/** What {@link prepareTextData} needs to know about the run. */
export interface PrepareContext {
  /** Folder that modules and patterns are relative to. */
  readonly root: string;
  /** Seed of the split and of MinHash. @defaultValue `0` */
  readonly seed?: number | undefined;
  /** Ends the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the number of rows read so far. */
  readonly onProgress?: ((rows: number) => void) | undefined;
}

/** What happened to the data. */
export interface TextDataReport {
  /** Rows that the sources gave. */
  readonly rowsIn: number;
  /** Rows that are left. */
  readonly rows: number;
  /** Dropped rows by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** A few dropped rows of each reason. */
  readonly samples: readonly DropSample[];
  /** Rows that each cleaning rule changed. */
  readonly cleaned: Readonly<Record<string, number>>;
  /** Similar rows that were kept. */
  readonly clusters: {
    /** Groups of two and more similar rows that were kept and stay in one split. */
    readonly count: number;
    /** Rows in them. */
    readonly rows: number;
    readonly largest: number;
    /** Dropped duplicates that had another label than the row they repeat. */
    readonly labelConflicts: number;
  } & DedupCounts;
  /** Of all rows that were kept. */
  readonly stats: TextStats;
  /** By name. */
  readonly splits: Readonly<Record<string, TextStats>>;
}

/** Rows by split, their classes, and a report. */
export interface PreparedTextData {
  /** Rows by split. */
  readonly splits: Readonly<Record<string, readonly TextRow[]>>;
  /** Class names by number; empty when the data has no labels. */
  readonly classes: readonly string[];
  /** What was read, dropped and changed. */
  readonly report: TextDataReport;
}

/** Rows between two looks at the clock: long work stays interruptible. */
const ROWS_PER_TURN = 128;

/** Opens the sources of the options. */
export async function openSources(options: TextDataOptions, root: string): Promise<OpenedSource[]> {
  const opened: OpenedSource[] = [];
  for (const [index, spec] of options.sources.entries()) {
    opened.push(await atSource(index, () => openSource(spec, root)));
  }
  return opened;
}

/**
 * Reads, cleans, deduplicates and splits text. Deterministic for given sources, options and seed.
 * @throws AnnealError with one of the `TEXT_DATA_E_…` codes when the data or its description cannot be used
 */
export async function prepareTextData(options: TextDataOptions, context: PrepareContext): Promise<PreparedTextData> {
  const drops = createDropLog();
  const labeller = createLabeller(options.labels);
  const { rows: cleanRows, rowsIn, changed } = await readAll(options, context, labeller, drops);
  labeller.assertKnown();
  const labelled = labelRows(cleanRows, labeller, drops);
  assertRows(labelled, rowsIn, drops.counts);
  const whole = await dropDuplicates(labelled, options, context, drops);
  const kept = { ...whole, rows: shortened(whole.rows, options.shorten) };
  const classes = classesOf(
    options.labels,
    kept.rows.map((row) => row.label),
  );
  assertClasses(classes, kept.rows);
  const assigned = assign(kept, options, context.seed ?? 0);
  const ratios = options.split?.ratios ?? DEFAULT_RATIOS;
  const splits = Object.fromEntries(
    Object.keys(ratios).map((name) => [name, kept.rows.filter((_, i) => assigned[i] === name)]),
  );
  assertSplits(splits, ratios, classes);
  return {
    splits,
    classes,
    report: {
      rowsIn,
      rows: kept.rows.length,
      dropped: drops.counts,
      samples: drops.samples,
      cleaned: changed,
      clusters: kept.summary,
      stats: textStats(kept.rows, classes),
      splits: Object.fromEntries(Object.entries(splits).map(([name, rows]) => [name, textStats(rows, classes)])),
    },
  };
}

function shortened(rows: TextRow[], options: ShortenOptions | undefined): TextRow[] {
  return options === undefined ? rows : rows.map((row) => ({ ...row, text: shorten(row.text, options) }));
}

type DropLog = ReturnType<typeof createDropLog>;

async function readAll(
  options: TextDataOptions,
  context: PrepareContext,
  labeller: Labeller,
  drops: DropLog,
): Promise<{ rows: TextRecord[]; rowsIn: number; changed: Readonly<Record<string, number>> }> {
  const cleaner = createCleaner(options.clean);
  const rows: TextRecord[] = [];
  const ids = new Map<string, number>();
  let rowsIn = 0;
  const sources = await openSources(options, context.root);
  for (const [index, source] of sources.entries()) {
    const columns = { ...options.columns, ...options.sources[index]!.columns };
    await atSource(index, async () => {
      for await (const result of readRecords(source, { columns, keep: options.keep, mail: options.mail })) {
        rowsIn++;
        if (rowsIn % ROWS_PER_TURN === 0) await takeTurn(context, rowsIn);
        if (!result.ok) {
          drops.add({ reason: result.reason, id: result.id, detail: result.detail });
          continue;
        }
        labeller.see(result.record.label);
        const cleaned = cleaner.clean(result.record.text);
        if (cleaned.ok) rows.push({ ...result.record, id: uniqueId(result.record.id, ids), text: cleaned.text });
        else drops.add({ reason: cleaned.reason, id: result.record.id, excerpt: excerptOf(cleaned.text) });
      }
    });
  }
  return { rows, rowsIn, changed: cleaner.changed };
}

function labelRows(records: readonly TextRecord[], labeller: Labeller, drops: DropLog): TextRow[] {
  const rows: TextRow[] = [];
  for (const { id, text, label, group, extra } of records) {
    const verdict = labeller.classOf(label);
    if (!verdict.ok) {
      drops.add({ reason: verdict.reason, id, excerpt: excerptOf(text) });
      continue;
    }
    const named = {
      ...(verdict.label === undefined ? {} : { label: verdict.label }),
      ...(group === undefined ? {} : { group }),
    };
    rows.push({ ...extra, id, text, ...named });
  }
  return rows;
}

interface Kept {
  readonly rows: TextRow[];
  readonly clusters: readonly number[];
  readonly summary: TextDataReport['clusters'];
}

async function dropDuplicates(
  rows: readonly TextRow[],
  options: TextDataOptions,
  context: PrepareContext,
  drops: DropLog,
): Promise<Kept> {
  const deduplicator = createDeduplicator({ ...options.dedup, seed: context.seed });
  const kept: TextRow[] = [];
  let labelConflicts = 0;
  for (const [index, row] of rows.entries()) {
    if (index % ROWS_PER_TURN === 0) await takeTurn(context);
    const verdict = deduplicator.add(row.text);
    if (verdict.kept) {
      kept.push(row);
      continue;
    }
    const original = rows[verdict.of]!;
    if (original.label !== row.label) labelConflicts++;
    const { reason, similarity } = verdict;
    drops.add({ reason, id: row.id, kept: original.id, similarity, excerpt: excerptOf(row.text) });
  }
  const clusters = deduplicator.clusters();
  const sizes = new Map<number, number>();
  for (const cluster of clusters) sizes.set(cluster, (sizes.get(cluster) ?? 0) + 1);
  const shared = [...sizes.values()].filter((size) => size > 1);
  const summary = {
    count: shared.length,
    rows: shared.reduce((sum, size) => sum + size, 0),
    largest: shared.reduce((most, size) => Math.max(most, size), 0),
    labelConflicts,
    ...deduplicator.counts(),
  };
  return { rows: kept, clusters, summary };
}

function assign({ rows, clusters }: Kept, options: TextDataOptions, seed: number): string[] {
  const { stratify = ['label', 'group'], ...split } = options.split ?? {};
  return splitRows(
    rows.map((row, index) => ({
      id: row.id,
      stratum: JSON.stringify(stratify.map((field) => row[field] ?? null)),
      cluster: clusters[index]!,
    })),
    { ...split, seed },
  );
}

function assertRows(rows: readonly TextRow[], rowsIn: number, dropped: Readonly<Record<string, number>>): void {
  if (rows.length > 0) return;
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  throw problem('TEXT_DATA_E_EMPTY', rowsIn === 0 ? 'the sources have no rows' : 'every row was dropped', {
    path: ['sources'],
    received: rowsIn === 0 ? '0 rows' : `${rowsIn} rows, dropped: ${reasons.join(', ')}`,
    fix: rowsIn === 0 ? 'check that the files are not empty' : 'check `columns.text`, `labels` and `clean.minLength`',
  });
}

function assertClasses(classes: readonly string[], rows: readonly TextRow[]): void {
  if (rows.every((row) => row.label === undefined)) return;
  const present = new Set(rows.map((row) => row.label));
  const missing = classes.filter((name) => !present.has(name));
  if (classes.length >= 2 && missing.length === 0) return;
  throw problem(
    'TEXT_DATA_E_ONE_CLASS',
    missing.length > 0 ? `no row has the class ${listed(missing)}` : 'all rows have one class',
    {
      path: ['labels'],
      received: `${rows.length} rows of ${listed([...present].map(String))}`,
      fix: 'add rows of the other class, or set `columns.label` to null for data without labels',
    },
  );
}

function assertSplits(
  splits: Readonly<Record<string, readonly TextRow[]>>,
  ratios: Readonly<Record<string, number>>,
  classes: readonly string[],
): void {
  for (const [name, rows] of Object.entries(splits)) {
    if (!(ratios[name]! > 0)) continue;
    const present = new Set(rows.map((row) => row.label));
    const missing = classes.filter((label) => !present.has(label));
    if (rows.length > 0 && missing.length === 0) continue;
    throw problem(
      'TEXT_DATA_E_SPLIT',
      `split \`${name}\` ${rows.length === 0 ? 'is empty' : `lacks ${listed(missing)}`}`,
      {
        path: ['split', 'ratios'],
        received: Object.entries(splits)
          .map(([split, own]) => `${split}: ${own.length} rows`)
          .join(', '),
        fix: 'add rows, raise its ratio, or set the ratio to 0',
      },
    );
  }
}

/** Runs `work`, naming the source in the path of a problem. */
async function atSource<T>(index: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw inside(['sources', index], error);
  }
}

function uniqueId(id: string, seen: Map<string, number>): string {
  const times = seen.get(id) ?? 0;
  seen.set(id, times + 1);
  return times === 0 ? id : uniqueId(`${id}~${times + 1}`, seen);
}

async function takeTurn(context: PrepareContext, rows?: number): Promise<void> {
  context.signal?.throwIfAborted();
  if (rows !== undefined) context.onProgress?.(rows);
  await new Promise<void>((resume) => setImmediate(resume));
}
