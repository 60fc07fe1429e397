import type { JsonObject, JsonValue } from '../../../json.ts';
import { number, percent } from '../../format.ts';
import { jsonView, samplesView } from '../json-view.ts';
import { html, said, type Content, type Html } from '../markup.ts';
import { facts, shareBar, table } from '../table.ts';
import { clip } from '../text.ts';
import type { Part } from './section.ts';

const MAX_SPLITS = 12;

/** Where the rows came from and where they went. */
export const data: Part = ({ data: report }) => {
  if (report === undefined || report === null) return undefined;
  const { rowsIn, dropped, samples, splits, details } = report;
  const lost = sum(Object.values(dropped));
  const kept = sum(Object.values(splits));
  const body = html`${facts([
      ['Rows in', number(rowsIn)],
      ['Dropped', `${number(lost)} (${percent(rowsIn > 0 ? lost / rowsIn : 0)})`],
      ['In splits', number(kept)],
    ])}
    <div class="columns">
      ${counts('Splits', 'Split', Object.entries(splits), kept)}${counts('Dropped rows by reason', 'Reason', Object.entries(dropped), rowsIn)}
    </div>
    ${classBalance(details)}${samplesView(samples, 'rows that were dropped')}${
      details !== undefined &&
      Object.keys(details).length > 0 &&
      html`<details>
        <summary>More about the data</summary>
        ${jsonView(details)}
      </details>`
    }`;
  return { id: 'data', title: 'Data', body };
};

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function counts(
  caption: string,
  head: string,
  entries: readonly (readonly [string, number])[],
  of: number,
): Html | undefined {
  if (entries.length === 0) return undefined;
  const rows = entries.map(([name, value]): Content[] => [
    said(clip(name, 80)),
    number(value),
    of > 0 && percent(value / of),
    shareBar(of > 0 ? value / of : 0),
  ]);
  const share = caption === 'Splits' ? 'Share' : 'Of rows in';
  return table({
    caption,
    className: 'counts',
    columns: [
      { head },
      { head: 'Rows', numeric: true },
      { head: share, numeric: true },
      { head: html`<span class="unseen">as a bar</span>` },
    ],
    rows,
  });
}

const objectOf = (value: JsonValue | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** Rows by class and split, where the data plugin reports `details.splits.<split>.labels`. */
function classBalance(details: JsonObject | undefined): Html | undefined {
  const splits = Object.entries(objectOf(details?.['splits']))
    .map(([name, own]) => ({ name, labels: objectOf(objectOf(own)['labels']) }))
    .filter(({ labels }) => Object.values(labels).some((value) => typeof value === 'number'))
    .slice(0, MAX_SPLITS);
  if (splits.length === 0) return undefined;
  const names = [...new Set(splits.flatMap(({ labels }) => Object.keys(labels)))];
  const rows = names.map((name) => [
    said(clip(name, 80)),
    ...splits.map(({ labels }) => {
      const own = Object.hasOwn(labels, name) ? labels[name] : 0;
      const total = sum(Object.values(labels).filter((value) => typeof value === 'number'));
      return typeof own !== 'number' ? '' : html`${number(own)}<small>${total > 0 && percent(own / total)}</small>`;
    }),
  ]);
  return table({
    caption: 'Class balance: rows of each class, and their share of the split',
    columns: [{ head: 'Class' }, ...splits.map(({ name }) => ({ head: said(clip(name, 40)), numeric: true }))],
    rows,
  });
}
