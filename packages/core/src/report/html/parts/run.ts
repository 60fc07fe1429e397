import type { JsonObject } from '../../../json.ts';
import { duration, percent } from '../../format.ts';
import { jsonView } from '../json-view.ts';
import { html, said } from '../markup.ts';
import { readableJson } from '../raw-json.ts';
import { facts, rest, shareBar, table } from '../table.ts';
import { clip, limited } from '../text.ts';
import type { Part } from './section.ts';

const MAX_ENTRIES = 60;

/** Where the time went. */
export const timings: Part = ({ timings: all }) => {
  if (all.length === 0) return undefined;
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = all.reduce((most, { seconds }) => Math.max(most, seconds), 0);
  const rows = all.map(({ stage, phase, seconds, cached }) => [
    said(clip(phase, 40)),
    said(clip(stage, 80)),
    html`${duration(seconds)}${cached && html`<small>from cache</small>`}`,
    total > 0 && percent(seconds / total),
    longest > 0 && shareBar(seconds / longest),
  ]);
  return {
    id: 'timings',
    title: 'Timings',
    body: table({
      caption: `Time of each phase, ${duration(total)} in all`,
      className: 'counts',
      columns: [
        { head: 'Phase' },
        { head: 'Stage' },
        { head: 'Time', numeric: true },
        { head: 'Share', numeric: true },
        { head: html`<span class="unseen">as a bar</span>` },
      ],
      rows,
    }),
  };
};

/** Sections of plugins. */
export const extra: Part = ({ extra: sections }) => {
  const { shown, more } = limited(Object.entries(sections), MAX_ENTRIES);
  if (shown.length === 0) return undefined;
  const body = shown.map(
    ([name, value]) =>
      html`<h3>${said(clip(name, 120))}</h3>
        ${jsonView(value)}`,
  );
  return { id: 'extra', title: 'Plugins', body: html`${body}${rest(more, 'section')}` };
};

/** Labels of what the environment usually has. */
const LABELS: Readonly<Record<string, string>> = {
  node: 'Node',
  platform: 'Platform',
  cpu: 'Processor',
  cores: 'Cores',
  memoryGiB: 'Memory, GiB',
  backend: 'Backend',
  device: 'Device',
  threads: 'Threads',
  seed: 'Seed',
  mode: 'Mode',
};

/** What the numbers were measured on. */
export const environment: Part = ({ environment: own }) => {
  const { shown, more } = limited(Object.entries(own), MAX_ENTRIES);
  if (shown.length === 0) return undefined;
  const entries = shown.map(([name, value]) => {
    const label = Object.hasOwn(LABELS, name) ? (LABELS[name] as string) : name;
    return [said(clip(label, 80)), said(clip(String(value), 300))] as const;
  });
  return { id: 'environment', title: 'Environment', body: html`${facts(entries)}${rest(more, 'entry', 'entries')}` };
};

/** The report as data, with long lists cut. */
export const raw: Part = (report) => ({
  id: 'raw',
  title: 'Raw data',
  body: html`<p>This page is drawn from <code>report.json</code>, beside it. Long lists are shortened here.</p>
    <details>
      <summary>Show the JSON</summary>
      <pre tabindex="0" role="region" aria-label="The report as JSON">
${readableJson(report as unknown as JsonObject)}</pre>
    </details>`,
});
