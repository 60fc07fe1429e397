import { intervalOf, NOT_MEASURED } from '../../format.ts';
import { changeOf, quantityNames, quantityOf, type Quantity, type Reading, readingOf } from '../../quantities.ts';
import type { Report } from '../../types.ts';
import { intervalPlot } from '../chart/interval.ts';
import { html, said, type Html } from '../markup.ts';
import { rest, table } from '../table.ts';
import { clip, limited } from '../text.ts';
import type { Part } from './section.ts';
import { changeMark } from './summary.ts';

/** More quantities than this are in `report.json`. */
const MAX_QUANTITIES = 100;
const MAX_PEERS = 20;

/** Quality and cost before and after compression, and beside simple methods. */
export const compare: Part = (report) => {
  const { before, after } = report.metrics;
  if (before === undefined && after === undefined) return undefined;
  const title = before !== undefined && after !== undefined ? 'Before and after' : 'Quality and cost';
  return { id: 'results', title, body: html`${variants(report)}${peers(report)}` };
};

function variants({ metrics: { before, after } }: Report): Html {
  const both = before !== undefined && after !== undefined;
  const { shown: names, more } = limited(quantityNames([before, after]), MAX_QUANTITIES);
  const quantities = names.map((name) => quantityOf(name));
  const plots = names.map((name) => intervalPlot([readingOf(before, name), readingOf(after, name)]));
  const plotted = both && plots.some((plot) => plot !== undefined);
  const rows = names.map((name, i) => {
    const quantity = quantities[i] as Quantity;
    const [from, to] = [readingOf(before, name), readingOf(after, name)];
    const label = said(clip(quantity.label, 80));
    if (!both) return [label, readingHtml(quantity, from ?? to)];
    const change = changeOf(quantity, from, to);
    return [
      label,
      readingHtml(quantity, from),
      readingHtml(quantity, to),
      ...(plotted ? [plots[i]] : []),
      change && changeMark(change),
    ];
  });
  const firstCost = quantities.findIndex(({ cost }) => cost);
  const columns = both
    ? [
        { head: 'Quantity' },
        { head: html`<span class="key v0" aria-hidden="true"></span>Full precision`, numeric: true },
        { head: html`<span class="key v1" aria-hidden="true"></span>Compressed`, numeric: true },
        ...(plotted ? [{ head: 'Intervals' }] : []),
        { head: 'Change' },
      ]
    : [{ head: 'Quantity' }, { head: 'Model', numeric: true }];
  return html`${table({
    caption: both
      ? 'The trained model at full precision and the compressed model, on the test split'
      : 'The trained model, on the test split',
    className: plotted ? 'plotted' : undefined,
    columns,
    rows,
    rowClass: (row) => (row === firstCost && firstCost > 0 ? 'first-cost' : undefined),
  })}${rest(more, 'quantity', 'quantities')}${howToRead(quantities, both)}`;
}

function readingHtml(quantity: Quantity, reading: Reading | undefined): Html {
  if (reading?.value === undefined) return html`<span class="none">${NOT_MEASURED}</span>`;
  return html`${quantity.text(reading.value)}${intervalText(quantity, reading)}`;
}

function intervalText(quantity: Quantity, { ci95 }: Reading): Html | undefined {
  return ci95 && html`<small>${intervalOf(quantity.text, ci95)}</small>`;
}

function howToRead(quantities: readonly Quantity[], both: boolean): Html {
  const known = quantities.filter(({ meaning }) => meaning !== undefined);
  const way = { 1: 'more is better', [-1]: 'less is better', 0: '' } as const;
  const items = known.map(
    ({ label, meaning, better }) =>
      html`<div>
        <dt>${label}</dt>
        <dd>${meaning ?? ''}; ${way[better]}</dd>
      </div>`,
  );
  return html`<details class="how">
    <summary>How to read these numbers</summary>
    <p>
      Small numbers below a value are its 95 %
      interval.${both && ' “Within interval” says that the new value lies inside the interval of the old one: another choice of test rows would change as much. Qualities are compared by difference, costs by ratio; costs that differ by less than 2 % are called the same.'}
    </p>
    ${known.length > 0 && html`<dl class="glossary">${items}</dl>`}
  </details>`;
}

/** The shipped model and simple methods on the same split: one row each. */
function peers({ metrics: { before, after }, baseline }: Report): Html | undefined {
  const { shown, more } = limited(Object.entries(baseline), MAX_PEERS);
  const own = after ?? before;
  if (shown.length === 0 || own === undefined) return undefined;
  const names = quantityNames(shown.map(([, metrics]) => metrics)).slice(0, 12);
  const models = [
    { name: after === undefined ? 'this model' : 'compressed', metrics: own },
    ...(after === undefined || before === undefined ? [] : [{ name: 'full precision', metrics: before }]),
    ...shown.map(([name, metrics]) => ({ name, metrics })),
  ];
  const best = names.map((name) =>
    bestOf(
      quantityOf(name, ...models.map(({ metrics }) => metrics)),
      models.map(({ metrics }) => readingOf(metrics, name)),
    ),
  );
  const rows = models.map(({ name, metrics }, m) => [
    said(clip(name, 80)),
    ...names.map((quantity, q) => {
      const text = readingHtml(quantityOf(quantity), readingOf(metrics, quantity));
      return best[q]?.has(m) === true
        ? html`<span class="best">${text}<span class="unseen">, best of the column</span></span>`
        : text;
    }),
  ]);
  return html`<h3>Compared with simple methods</h3>
    ${table({
      caption:
        'The same test split: a method that is simple and fast is the least to beat. The best of each column has a dot.',
      columns: [
        { head: 'Model' },
        ...names.map((name) => ({ head: said(clip(quantityOf(name).label, 40)), numeric: true })),
      ],
      rows,
    })}${rest(more, 'method')}`;
}

/** Rows that are best as far as the shown digits tell; none where it is not known which way is better. */
function bestOf(quantity: Quantity, readings: readonly (Reading | undefined)[]): ReadonlySet<number> {
  const values = readings.map((reading) => (reading?.value ?? Number.NaN) * quantity.better);
  const top = values.reduce((most, value) => (value > most ? value : most), Number.NEGATIVE_INFINITY);
  if (quantity.better === 0 || top === Number.NEGATIVE_INFINITY) return new Set();
  const text = (value: number): string => quantity.text(Math.abs(value));
  return new Set(values.flatMap((value, i) => (Number.isFinite(value) && text(value) === text(top) ? [i] : [])));
}
