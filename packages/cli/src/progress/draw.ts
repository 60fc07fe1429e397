import { clock, count, rate } from '../ui/numbers.ts';
import type { Style } from '../ui/style.ts';
import { cut, oneLine, padEnd, widthOf } from '../ui/text.ts';
import type { Bar } from './state.ts';

const MAX_BAR = 30;
const MIN_BAR = 8;
const FILLED = '━';
const EMPTY = '─';

const shareOf = (done: number, total: number): number => Math.max(0, Math.min(1, done / total));

/** `1,234/5,000`, or what is known. */
export const amount = ({ done, total }: Bar): string =>
  total === undefined ? count(done) : `${count(done)}/${count(total)}`;

/** `12.3/s`. */
export const rateText = (bar: Bar): string => (bar.rate === undefined ? '' : rate(bar.rate));

export const percent = ({ done, total }: Bar): string =>
  total === undefined || total <= 0 ? '' : `${Math.floor(shareOf(done, total) * 100)} %`;

/** Two spaces between what there is. */
const join = (parts: readonly string[]): string => parts.filter((part) => part !== '').join('  ');

/**
 * A bar on one line of at most `width` columns. What does not fit goes, least important first: the note, the rate, the
 * amount, the bar.
 */
export function drawBar(bar: Bar, labelWidth: number, width: number, style: Style): string {
  const label = `  ${padEnd(cut(oneLine(bar.label), labelWidth), labelWidth)}`;
  const eta = bar.eta === undefined ? '' : `${clock(bar.eta)} left`;
  const note = bar.note === undefined ? '' : oneLine(bar.note);
  const share = percent(bar).padStart(5);
  const rest = [
    [share, amount(bar), rateText(bar), eta, note],
    [share, amount(bar), rateText(bar), eta],
    [share, amount(bar), eta],
    [share, eta],
    [share],
  ].map(join);
  const hasBar = bar.total !== undefined && bar.total > 0;
  const room = (text: string): number => width - widthOf(label) - widthOf(text) - 4;
  const text = rest.find((candidate) => room(candidate) >= (hasBar ? MIN_BAR : 0)) ?? (rest.at(-1) as string);
  const size = Math.min(MAX_BAR, room(text));
  if (!hasBar || size < MIN_BAR) return cut(join([label, text.trim()]), width);
  const filled = Math.round(shareOf(bar.done, bar.total as number) * size);
  return join([label, style.cyan(FILLED.repeat(filled)) + style.dim(EMPTY.repeat(size - filled)), text]);
}
