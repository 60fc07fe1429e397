import { listed, nearest, problem } from './problems.ts';

/** Maps raw label values to classes and remembers the values that no rule covers. */
export interface Labeller {
  /** Takes note of a value; the mapping is judged once all rows are known. */
  see(value: string | undefined): void;
  /** @throws AnnealError `TEXT_DATA_E_LABEL_UNKNOWN`, listing every value that `labels` does not map */
  assertKnown(): void;
  classOf(value: string | undefined): LabelVerdict;
}

/** The class of a row, or why it is left out. */
export type LabelVerdict =
  | { readonly ok: true; readonly label: string | undefined }
  | { readonly ok: false; readonly reason: 'no-label' | 'label-left-out' };

const MAX_REMEMBERED = 1000;

/** A labeller for `labels`; without them every value is its own class. */
export function createLabeller(labels: Readonly<Record<string, string | null>> | undefined): Labeller {
  const unknown = new Map<string, number>();
  let labelled = 0;
  return {
    see(value) {
      if (value === undefined) return;
      labelled++;
      if (labels === undefined || Object.hasOwn(labels, value)) return;
      if (unknown.has(value) || unknown.size < MAX_REMEMBERED) unknown.set(value, (unknown.get(value) ?? 0) + 1);
    },
    assertKnown() {
      if (unknown.size === 0) return;
      const known = Object.keys(labels ?? {});
      const values = [...unknown].map(([value, count]) => `${value} (${count} rows)`);
      const [first] = unknown.keys();
      const near = nearest(first!, known);
      throw problem('TEXT_DATA_E_LABEL_UNKNOWN', `\`labels\` does not map ${listed(values)}`, {
        path: ['labels'],
        received: near === undefined ? `known values ${listed(known)}` : `\`${first}\`, near \`${near}\``,
        fix: 'add the values to `labels`; `null` leaves their rows out',
      });
    },
    classOf(value) {
      // Data without any label is not labelled data; a few rows without one are gaps.
      if (value === undefined)
        return labelled === 0 ? { ok: true, label: undefined } : { ok: false, reason: 'no-label' };
      const label = labels === undefined ? value : labels[value];
      return typeof label === 'string' ? { ok: true, label } : { ok: false, reason: 'label-left-out' };
    },
  };
}

/** Class names in order: as `labels` first names them, else alphabetical. */
export function classesOf(
  labels: Readonly<Record<string, string | null>> | undefined,
  present: readonly (string | undefined)[],
): string[] {
  const found = new Set(present.filter((label) => label !== undefined));
  if (found.size === 0) return [];
  if (labels === undefined) return [...found].sort();
  return [...new Set(Object.values(labels).filter((label) => label !== null))];
}
