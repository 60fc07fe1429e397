import { countOrQuality, intervalOf } from '../../format.ts';
import { gateText, readingOf } from '../../quantities.ts';
import type { AuditSection } from '../../types.ts';
import { figureGroups } from '../figures.ts';
import { samplesView } from '../json-view.ts';
import { html, prose, said, type Html } from '../markup.ts';
import { mark, rest, table } from '../table.ts';
import { clip, limited } from '../text.ts';
import type { Part } from './section.ts';

const MAX_SECTIONS = 30;
const MAX_METRICS = 200;

/** The gates and what they found. */
export const gates: Part = ({ gates: results }) => {
  if (results.length === 0) return undefined;
  const rows = results.map(({ metric, condition, value, passed }) => [
    html`<code>${said(clip(metric, 120))}</code>`,
    html`<code>${said(clip(condition, 120))}</code>`,
    gateText(metric, value),
    passed ? mark('good', '✓', 'met') : mark('bad', '✗', 'not met'),
  ]);
  return {
    id: 'gates',
    title: 'Gates',
    body: table({
      caption: 'What the config asks of the model',
      columns: [{ head: 'Quantity' }, { head: 'Wanted' }, { head: 'Measured', numeric: true }, { head: 'Verdict' }],
      rows,
    }),
  };
};

/** Every transformation against what it replaced. */
export const checks: Part = ({ checks: results }) => {
  if (results.length === 0) return undefined;
  const rows = results.map(({ name, passed, message }) => [
    prose(clip(name, 200)),
    passed ? mark('good', '✓', 'holds') : mark('bad', '✗', 'does not hold'),
    prose(clip(message)),
  ]);
  return {
    id: 'checks',
    title: 'Checks',
    body: table({
      caption: 'Each transformation compared with what it replaced',
      className: 'wrap',
      columns: [{ head: 'Claim' }, { head: 'Result' }, { head: 'Measured' }],
      rows,
    }),
  };
};

/** Curves and tables of the variants. */
export const figures: Part = ({ figures: { before, after } }) => {
  const groups = figureGroups(
    [
      { name: 'full precision', figures: before },
      { name: 'compressed', figures: after },
    ],
    'figure',
  );
  return groups && { id: 'figures', title: 'Figures', body: groups };
};

/** What the audits found. */
export const audits: Part = ({ audit }) => {
  const { shown, more } = limited(Object.entries(audit), MAX_SECTIONS);
  if (shown.length === 0) return undefined;
  const bodies = shown.map(([name, section], i) => auditHtml(name, section, `audit-${i}`));
  return { id: 'audits', title: 'Audits', body: html`${bodies}${rest(more, 'audit')}` };
};

function auditHtml(name: string, section: AuditSection, id: string): Html {
  const { title, method, metrics, figures: own, samples } = section;
  const { shown, more } = limited(Object.keys(metrics), MAX_METRICS);
  const rows = shown.map((metric) => {
    const reading = readingOf(metrics, metric);
    const interval = reading?.ci95 === undefined ? '' : intervalOf(countOrQuality, reading.ci95);
    return [html`<code>${said(clip(metric, 120))}</code>`, countOrQuality(reading?.value ?? Number.NaN), interval];
  });
  const hasIntervals = rows.some((row) => row[2] !== '');
  return html`<div class="audit">
    <h3>${said(clip(title, 200))}</h3>
    ${method !== '' && html`<p class="method">${prose(clip(method, 4000))}</p>`}${
      rows.length > 0 &&
      table({
        caption: `What was measured; in gates, “${clip(name, 60)}.” stands before these names`,
        columns: [
          { head: 'Quantity' },
          { head: 'Value', numeric: true },
          ...(hasIntervals ? [{ head: '95 % interval', numeric: true }] : []),
        ],
        rows: hasIntervals ? rows : rows.map((row) => row.slice(0, 2)),
      })
    }${rest(more, 'quantity', 'quantities')}${own && figureGroups([{ name: '', figures: own }], id)}${samples && samplesView(samples, 'rows that this audit looked at')}
  </div>`;
}
