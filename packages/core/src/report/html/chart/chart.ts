import { html, type Html } from '../markup.ts';
import { clip } from '../text.ts';
import { FIELD, type Projection, projectX, projectY, seriesClass } from './marks.ts';
import { type Domain, niceStep, ticks, tickText } from './scale.ts';

export interface Axis {
  readonly label: string;
  readonly domain: Domain;
}

/** A word at a place of the x axis, above the field. */
export interface Flag {
  readonly x: number;
  readonly text: string;
}

export interface ChartOptions {
  /** Unique in the page; made by the page, never from data. */
  readonly id: string;
  readonly title: string;
  /** What the picture shows, in words. */
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly marks: (projection: Projection) => readonly (Html | undefined)[];
  readonly flags?: readonly Flag[] | undefined;
  readonly size?: 'wide' | 'square' | 'small' | undefined;
}

const X_PARTS = 5;
const Y_PARTS = { wide: 5, square: 5, small: 3 } as const;
/** Longest axis label. */
const MAX_LABEL = 40;

const share = (value: number): string => `${Math.round(value * 100) / FIELD}%`;

/** An inline SVG as wide as what it stands in. Ticks and labels are placed by percent, marks on a stretched field. */
export function chart(options: ChartOptions): Html {
  const { id, title, description, x, y, marks, flags = [], size = 'square' } = options;
  const projection = { x: x.domain, y: y.domain };
  const [yParts, xStep] = [Y_PARTS[size], niceStep(x.domain, X_PARTS)];
  const yStep = niceStep(y.domain, yParts);
  const rows = ticks(y.domain, yParts).map((value) => {
    const at = share(Number(projectY(value, projection)));
    return html`<line class="${value === 0 ? 'grid zero' : 'grid'}" x2="100%" y1="${at}" y2="${at}" /><text
        x="-8"
        y="${at}"
        dy=".33em"
        text-anchor="end"
        >${tickText(value, yStep)}</text
      >`;
  });
  const columns = ticks(x.domain, X_PARTS).map((value) => {
    const at = share(Number(projectX(value, projection)));
    return html`<line class="tick" x1="${at}" x2="${at}" y1="100%" y2="100%" /><text
        x="${at}"
        y="100%"
        dy="18"
        text-anchor="middle"
        >${tickText(value, xStep)}</text
      >`;
  });
  const words = flags.map(
    ({ x: at, text }) =>
      html`<text class="flag" x="${share(Number(projectX(at, projection)))}" y="0" dx="4" dy="12">${text}</text>`,
  );
  return html`<svg class="chart ${size}" role="img" aria-labelledby="${id}-t ${id}-d">
    <title id="${id}-t">${clip(title, 200)}</title>
    <desc id="${id}-d">${description}</desc>
    ${rows}${columns}
    <text class="label" x="-44" y="-12">${clip(y.label, MAX_LABEL)}</text>
    <text class="label" x="100%" y="100%" dy="36" text-anchor="end">${clip(x.label, MAX_LABEL)}</text>
    <svg width="100%" height="100%" viewBox="0 0 ${FIELD} ${FIELD}" preserveAspectRatio="none">${marks(projection)}</svg
    >${words}
  </svg>`;
}

export interface LegendEntry {
  readonly name: string;
  readonly className: string;
  readonly mark: 'line' | 'dot' | 'bar';
}

const SWATCH: Readonly<Record<LegendEntry['mark'], string>> = {
  line: 'M1 6H23',
  dot: 'M12 6h0',
  bar: 'M6 1H18V11H6z',
};

/** What the colours, dashes and marks stand for. */
export function legend(entries: readonly LegendEntry[]): Html {
  const items = entries.map(
    ({ name, className, mark }) =>
      html`<li>
        <svg aria-hidden="true" width="24" height="12" viewBox="0 0 24 12">
          <path class="${mark} ${className}" d="${SWATCH[mark]}" /></svg
        ><bdi>${clip(name, 60)}</bdi>
      </li>`,
  );
  return html`<ul class="legend">
    ${items}
  </ul>`;
}

export function seriesLegend(names: readonly string[], mark: LegendEntry['mark']): Html {
  return legend(names.map((name, i) => ({ name, className: seriesClass(i), mark })));
}
