import type { JsonObject, JsonValue } from '../../json.ts';
import { number } from '../format.ts';
import { html, said, type Html } from './markup.ts';
import { facts, rest } from './table.ts';
import { clip, limited, plural } from './text.ts';

/** Deeper values are shown as JSON text. */
const MAX_DEPTH = 4;
const MAX_ENTRIES = 60;
const MAX_SAMPLES = 40;
/** Longer texts have a line of their own. */
const LONG_TEXT = 60;

/** Any JSON as nested lists of names and values. */
export function jsonView(value: JsonValue | undefined, depth: number = 0): Html {
  if (value === null || value === undefined) return html`<span class="none">none</span>`;
  if (typeof value === 'number') return html`${number(value)}`;
  if (typeof value === 'boolean') return html`${value ? 'yes' : 'no'}`;
  if (typeof value === 'string') return said(clip(value));
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null)) {
    const { shown, more } = limited(value as readonly JsonValue[], MAX_ENTRIES);
    return html`${shown.map((item, i) => html`${i > 0 && ', '}${jsonView(item, MAX_DEPTH)}`)}${more > 0 && ` … and ${more} more`}`;
  }
  if (depth >= MAX_DEPTH) return html`<code>${clip(JSON.stringify(value), 300)}</code>`;
  const { shown, more } = limited(Object.entries(value), MAX_ENTRIES);
  if (shown.length === 0) return html`<span class="none">none</span>`;
  const entries = shown.map(([name, own]) => [said(clip(name, 80)), jsonView(own, depth + 1)] as const);
  return html`${facts(entries, depth === 0 ? 'tree' : 'tree inner')}${rest(more, 'entry', 'entries')}`;
}

/** Rows that a reader can look at, folded away. */
export function samplesView(samples: readonly JsonObject[], title: string): Html | undefined {
  if (samples.length === 0) return undefined;
  const { shown, more } = limited(samples, MAX_SAMPLES);
  return html`<details class="samples">
    <summary>${plural(samples.length, 'sample')}: ${title}</summary>
    <ol>
      ${shown.map((sample) => html`<li>${sampleView(sample)}</li>`)}
    </ol>
    ${rest(more, 'sample')}
  </details>`;
}

function sampleView(sample: JsonObject): Html {
  const entries = Object.entries(sample).slice(0, MAX_ENTRIES);
  const isLong = (value: JsonValue | undefined): boolean => typeof value === 'string' && value.length > LONG_TEXT;
  const line = entries.filter(([, value]) => !isLong(value));
  const long = entries.filter(([, value]) => isLong(value));
  const cells = (own: typeof entries, className: string): Html | undefined =>
    own.length === 0
      ? undefined
      : facts(
          own.map(([name, value]) => [said(clip(name, 80)), jsonView(value, MAX_DEPTH)] as const),
          className,
        );
  return html`${cells(line, 'line')}${cells(long, 'long')}`;
}
