import type { CleanOptions } from './clean.ts';
import type { DedupOptions } from './dedup/deduplicate.ts';
import type { MailOptions } from './mail.ts';
import type { ShortenOptions } from './shorten.ts';
import type { Columns, SourceSpec } from './sources/types.ts';
import type { SplitOptions } from './split.ts';

/** How rows are divided, see {@link TextDataOptions.split}. */
export interface TextSplitOptions extends Omit<SplitOptions, 'seed'> {
  /** What the ratios hold within. @defaultValue `['label', 'group']` */
  readonly stratify?: readonly ('label' | 'group')[] | undefined;
}

/** Options of the plugin. All of them are plain JSON. */
export interface TextDataOptions {
  /** Where rows come from; they are read one after the other. */
  readonly sources: readonly SourceSpec[];
  /** Which columns hold what; a source may override fields. */
  readonly columns?: Columns | undefined;
  /**
   * Classes by raw label value, e.g. `{ 'easy-ham-1': 'ham', 'spam-1': 'spam' }`; `null` leaves rows of that value out.
   * The classes are numbered in the order in which they first appear here.
   * @defaultValue every value is its own class, in alphabetical order
   */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
  /** Further columns to carry along to the rows. @defaultValue `[]` */
  readonly keep?: readonly string[] | undefined;
  /** How mails become text. */
  readonly mail?: MailOptions | undefined;
  /** What is repaired and removed in texts. */
  readonly clean?: CleanOptions | undefined;
  /** Which texts count as repeated. */
  readonly dedup?: Omit<DedupOptions, 'seed'> | undefined;
  /** What rows keep of long texts; duplicates are looked for in the whole ones. @defaultValue all */
  readonly shorten?: ShortenOptions | undefined;
  /** How rows are divided. */
  readonly split?: TextSplitOptions | undefined;
}
