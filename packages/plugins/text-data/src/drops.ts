/** A dropped row for a reader. */
export interface DropSample {
  /** Why it was dropped. */
  readonly reason: string;
  /** Of the row. */
  readonly id: string;
  /** The row that it repeats. */
  readonly kept?: string | undefined;
  /** n-gram Jaccard similarity to that row. */
  readonly similarity?: number | undefined;
  /** How the text begins. */
  readonly excerpt?: string | undefined;
  /** What was wrong with it. */
  readonly detail?: string | undefined;
}

/** Counts dropped rows by reason and keeps a few of each. */
export interface DropLog {
  add(sample: DropSample): void;
  readonly counts: Readonly<Record<string, number>>;
  readonly samples: readonly DropSample[];
}

const SAMPLES_PER_REASON = 5;
const EXCERPT_CHARACTERS = 120;

/** An empty log. */
export function createDropLog(): DropLog {
  const counts: Record<string, number> = {};
  const samples: DropSample[] = [];
  return {
    counts,
    samples,
    add(sample) {
      const count = (counts[sample.reason] ?? 0) + 1;
      counts[sample.reason] = count;
      if (count <= SAMPLES_PER_REASON) samples.push(sample);
    },
  };
}

/** The beginning of a text on one line. */
export function excerptOf(text: string): string {
  const line = text
    .slice(0, EXCERPT_CHARACTERS * 2)
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > EXCERPT_CHARACTERS ? `${line.slice(0, EXCERPT_CHARACTERS - 1)}…` : line;
}
