import { bytes, intervalOf, isMeasured, milliseconds, NOT_MEASURED, times } from '../../format.ts';
import { type Change, changeOf, quantityNames, quantityOf, readingOf } from '../../quantities.ts';
import type { FlatMetrics, Report } from '../../types.ts';
import { html, prose, said, type Html } from '../markup.ts';
import { mark, rest } from '../table.ts';
import { clip, limited, plural } from '../text.ts';

const MAX_WARNINGS = 50;

/** Whether all gates were met; `undefined` when there are none. */
export function acceptedOf({ gates }: Report): boolean | undefined {
  return gates.length === 0 ? undefined : gates.every(({ passed }) => passed);
}

export function verdict(report: Report): Html {
  const total = report.gates.length;
  const failed = report.gates.filter(({ passed }) => !passed).length;
  switch (acceptedOf(report)) {
    case undefined:
      return html`<p class="verdict plain"><strong>Not judged</strong> This build has no gates.</p>`;
    case true:
      return html`<p class="verdict good">
        <strong><span aria-hidden="true">✓</span> Accepted</strong>
        ${total === 1 ? 'The gate is met.' : `All ${total} gates are met.`}
      </p>`;
    case false:
      return html`<p class="verdict bad">
        <strong><span aria-hidden="true">✗</span> Not accepted</strong> ${failed} of ${plural(total, 'gate')}
        ${failed === 1 ? 'is' : 'are'} not met.
      </p>`;
  }
}

/** What a reader must know before any number. Failed checks that no warning speaks of are added. */
export function warnings({ warnings: given, checks }: Report): Html | undefined {
  const failed = checks
    .filter(({ passed, message }) => !passed && !given.some((text) => text.includes(message)))
    .map(({ name, message }) => `${name}: ${message}`);
  const all = [...given, ...failed];
  if (all.length === 0) return undefined;
  const { shown, more } = limited(all, MAX_WARNINGS);
  const items = shown.map((text) => html`<li>${prose(clip(text))}</li>`);
  return html`<section class="warnings" aria-labelledby="warnings-h">
    <h2 id="warnings-h"><span aria-hidden="true">!</span> Read this first</h2>
    <ul>
      ${items}
    </ul>
    ${rest(more, 'warning')}
  </section>`;
}

interface Card {
  readonly label: string;
  readonly value: string;
  readonly from?: string | undefined;
  readonly change?: Change | undefined;
}

/** The first two of these that were measured head the page; else the first two of any name. */
const HEADLINES = ['accuracy', 'f1', 'macroF1', 'r2', 'mrr', 'hits@10', 'perplexity', 'rmse', 'mae', 'loss'];

/** Names of the quantities that head the page. */
export function headlines(variant: FlatMetrics): readonly string[] {
  const qualities = quantityNames([variant]).filter((name) => !quantityOf(name).cost);
  const known = HEADLINES.filter((name) => qualities.includes(name));
  return [...known, ...qualities.filter((name) => !known.includes(name))].slice(0, 2);
}

export function cards({ metrics: { before, after } }: Report): Html | undefined {
  const shipped = after ?? before;
  if (shipped === undefined) return undefined;
  const compared = after === undefined ? undefined : before;
  const all = [
    ...headlines(shipped).map((name) => qualityCard(name, shipped, compared)),
    sizeCard(shipped, compared),
    latencyCard(shipped, compared),
  ].filter((card) => card !== undefined);
  return html`<ul class="cards">
    ${all.map(cardHtml)}
  </ul>`;
}

function cardHtml({ label, value, from, change }: Card): Html {
  return html`<li>
    <h3>${said(clip(label, 60))}</h3>
    <p class="big${value === NOT_MEASURED && ' none'}">${value}</p>
    ${from !== undefined && html`<p class="from">${from}</p>`}${change !== undefined && html`<p>${changeMark(change)}</p>`}
  </li>`;
}

function qualityCard(name: string, shipped: FlatMetrics, compared: FlatMetrics | undefined): Card {
  const [quantity, own, other] = [
    quantityOf(name, shipped, compared),
    readingOf(shipped, name),
    readingOf(compared, name),
  ];
  const interval = own?.ci95 === undefined ? undefined : `95 %: ${intervalOf(quantity.text, own.ci95)}`;
  return {
    label: quantity.label,
    value: quantity.text(own?.value ?? Number.NaN),
    from: interval,
    change: changeOf(quantity, other, own),
  };
}

function costCard(
  name: string,
  text: (value: number) => string,
  shipped: FlatMetrics,
  compared?: FlatMetrics,
): Card | undefined {
  const quantity = quantityOf(name);
  const [own, other] = [readingOf(shipped, name), readingOf(compared, name)];
  if (own === undefined) return undefined;
  const label = quantity.label;
  if (other === undefined) return { label, value: text(own.value ?? Number.NaN) };
  return {
    label,
    value: text(own.value ?? Number.NaN),
    from: `from ${text(other.value ?? Number.NaN)}`,
    change: changeOf(quantity, other, own),
  };
}

function sizeCard(shipped: FlatMetrics, compared: FlatMetrics | undefined): Card | undefined {
  const card = costCard('bytes', bytes, shipped, compared);
  const [to, from] = [readingOf(shipped, 'bytes')?.value, readingOf(compared, 'bytes')?.value];
  if (card === undefined || !isMeasured(to) || !isMeasured(from) || from === 0) return card;
  return { ...card, label: 'Size ratio', value: times(to / from), from: `${bytes(from)} → ${bytes(to)}` };
}

function latencyCard(shipped: FlatMetrics, compared: FlatMetrics | undefined): Card | undefined {
  return costCard('latencyMsP50', milliseconds, shipped, compared);
}

const VERDICTS = {
  better: ['good', '▲'],
  worse: ['bad', '▼'],
  same: ['plain', '='],
} as const;

/** Differences that the test split cannot tell from none are drawn hollow and in no colour, but still say which way. */
const WITHIN = { better: ['plain', '△'], worse: ['plain', '▽'], same: ['plain', '='] } as const;

/** `▲ better −72 %`: sign, word and number. */
export function changeMark({ text, verdict: own, within }: Change): Html {
  const [kind, sign] = own === undefined ? (['plain', '→'] as const) : (within ? WITHIN : VERDICTS)[own];
  const word = own === 'same' ? 'same' : html`${own === undefined ? '' : `${own} `}<span class="by">${text}</span>`;
  const note = within && own !== 'same' && html` <small class="within">within interval</small>`;
  return html`${mark(kind, sign, word)}${note}`;
}
