/** Distribution of text lengths: nearest-rank percentiles. */
export interface LengthSummary {
  /** The shortest. */
  readonly min: number;
  /** 5 % are at most so long. */
  readonly p5: number;
  /** A quarter is at most so long. */
  readonly p25: number;
  /** Half of them are at most so long. */
  readonly p50: number;
  /** Three quarters are at most so long. */
  readonly p75: number;
  /** 95 % are at most so long. */
  readonly p95: number;
  /** The longest. */
  readonly max: number;
  /** Arithmetic mean. */
  readonly mean: number;
}

/** What a set of rows looks like. */
export interface TextStats {
  /** How many. */
  readonly rows: number;
  /** Rows by class, in the order of the classes. */
  readonly labels: Readonly<Record<string, number>>;
  /** Rows by group; empty when the data has no groups. */
  readonly groups: Readonly<Record<string, number>>;
  /** Lengths in characters (UTF-16 units). */
  readonly characters: LengthSummary;
  /** Lengths in words, separated by white space. */
  readonly words: LengthSummary;
}

/** A row as far as statistics go. */
export interface StatsRow {
  /** What is measured. */
  readonly text: string;
  /** Its class. */
  readonly label?: string | undefined;
  /** Where it comes from. */
  readonly group?: string | undefined;
}

/** Class balance, group sizes and length percentiles of rows. */
export function textStats(rows: readonly StatsRow[], classes: readonly string[] = []): TextStats {
  const labels = new Map(classes.map((name) => [name, 0]));
  const groups = new Map<string, number>();
  for (const { label, group } of rows) {
    if (label !== undefined) labels.set(label, (labels.get(label) ?? 0) + 1);
    if (group !== undefined) groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  return {
    rows: rows.length,
    labels: Object.fromEntries(labels),
    groups: Object.fromEntries(groups),
    characters: summarized(rows.map((row) => row.text.length)),
    words: summarized(rows.map((row) => countWords(row.text))),
  };
}

function summarized(lengths: readonly number[]): LengthSummary {
  const sorted = Float64Array.from(lengths).sort();
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const mean = sorted.length === 0 ? 0 : sorted.reduce((sum, length) => sum + length, 0) / sorted.length;
  return { min: at(0), p5: at(0.05), p25: at(0.25), p50: at(0.5), p75: at(0.75), p95: at(0.95), max: at(1), mean };
}

function countWords(text: string): number {
  let words = 0;
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isBlank = code <= 0x20 || code === 0xa0 || code === 0x2028 || code === 0x3000;
    if (!isBlank && !inside) words++;
    inside = !isBlank;
  }
  return words;
}
