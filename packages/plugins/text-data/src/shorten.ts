/** Options of {@link shorten}. */
export interface ShortenOptions {
  /** Longer texts are cut to at most this length (UTF-16 units), at blanks where they are near. */
  readonly maxLength: number;
  /**
   * What stays: the start, or both ends around a line with `…`. A model that reads few tokens sees with `'ends'` how a
   * text begins and how it ends (head and tail: Sun et al., 2019, arXiv:1905.05583, §5.3.1). @defaultValue `'start'`
   */
  readonly keep?: KeptPart | undefined;
}

/** Which part of a long text stays. */
export type KeptPart = 'start' | 'ends';

/** Stands for a middle that was cut out. */
const GAP = '\n…\n';

const CUTS: Readonly<Record<KeptPart, (text: string, length: number) => string>> = {
  start: startOf,
  ends: (text, length) => {
    const room = length - GAP.length;
    if (room < 2) return startOf(text, length);
    return (startOf(text, Math.ceil(room / 2)) + GAP + endOf(text, Math.floor(room / 2))).trim();
  },
};

/** The text itself, or what stays of a long one. */
export function shorten(text: string, { maxLength, keep = 'start' }: ShortenOptions): string {
  return text.length <= maxLength ? text : CUTS[keep](text, maxLength);
}

/** The first `length` units of a text, shortened to the last blank if there is one in the last tenth. */
function startOf(text: string, length: number): string {
  const cut = text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
  const blank = Math.max(cut.lastIndexOf(' '), cut.lastIndexOf('\n'));
  return (blank >= length * 0.9 ? cut.slice(0, blank) : cut).trimEnd();
}

/** The last `length` units of a text, shortened to the first blank if there is one in the first tenth. */
function endOf(text: string, length: number): string {
  const cut = text.slice(text.length - length).replace(/^[\udc00-\udfff]/, '');
  const blank = cut.search(/[ \n]/);
  return (blank >= 0 && blank <= length * 0.1 ? cut.slice(blank) : cut).trimStart();
}
