import { html, said, type Html } from './html/markup.ts';
import { pageHtml } from './html/page.ts';
import { compare } from './html/parts/compare.ts';
import { data } from './html/parts/data.ts';
import { environment, extra, raw, timings } from './html/parts/run.ts';
import type { Part } from './html/parts/section.ts';
import { cards, verdict, warnings } from './html/parts/summary.ts';
import { training } from './html/parts/training.ts';
import { audits, checks, figures, gates } from './html/parts/verify.ts';
import { clip } from './html/text.ts';
import type { Report } from './types.ts';

/** In the order of the page; a part that the report has nothing for is left out. */
const PARTS: readonly Part[] = [
  compare,
  gates,
  training,
  figures,
  audits,
  checks,
  data,
  timings,
  extra,
  environment,
  raw,
];

/**
 * `report.html`: the whole report as one file that needs no network and no scripts.
 *
 * Every text of the report is taken as untrusted: it is escaped, and cut where it is long. Numbers that are NaN, or
 * `null` as `report.json` has them, read "not measured".
 */
export function renderHtml(report: Report): string {
  const summary = cards(report);
  return pageHtml({
    title: report.name,
    top: html`<p class="eyebrow">Anneal report</p>
      <h1>${said(clip(report.name, 200))}</h1>
      ${meta(report)}${verdict(report)}`,
    lead: html`${warnings(report)}${
      summary &&
      html`<section aria-labelledby="glance-h">
        <h2 id="glance-h" class="unseen">At a glance</h2>
        ${summary}
      </section>`
    }`,
    sections: PARTS.map((part) => part(report)).filter((section) => section !== undefined),
  }).markup;
}

/** When, on what, with which seed: what tells two reports of one model apart. */
function meta({ createdAt, environment: own }: Report): Html {
  const named = (name: string, prefix: string = ''): Html[] =>
    Object.hasOwn(own, name) ? [html`<li>${prefix}<bdi>${clip(String(own[name]), 80)}</bdi></li>`] : [];
  const items = [html`<li>${timeHtml(createdAt)}</li>`, named('backend'), named('device'), named('seed', 'seed ')];
  return html`<ul class="meta">
    ${items}
  </ul>`;
}

function timeHtml(createdAt: string): Html {
  const time = new Date(createdAt);
  if (Number.isNaN(time.getTime())) return said(clip(createdAt, 40));
  const text = time.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
  return html`<time datetime="${time.toISOString()}">${text} UTC</time>`;
}
