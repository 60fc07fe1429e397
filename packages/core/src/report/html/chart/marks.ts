import { html, type Html } from '../markup.ts';
import type { Point } from './reduce.ts';
import type { Domain } from './scale.ts';

/**
 * Marks are drawn on a field of 1000 × 1000 units that is stretched to the width of the page, with strokes that are not
 * stretched: a chart fits a phone and a desktop with letters and lines of the same size, without scripts.
 */
export const FIELD = 1000;

export interface Projection {
  readonly x: Domain;
  readonly y: Domain;
}

const place = (value: number, { min, max }: Domain): number => ((value - min) / (max - min)) * FIELD;
const round = (value: number): string => String(Math.round(value * 10) / 10);

export function projectX(x: number, { x: domain }: Projection): string {
  return round(place(x, domain));
}

export function projectY(y: number, { y: domain }: Projection): string {
  return round(FIELD - place(y, domain));
}

/** Colours and dashes come round after so many series. */
const STYLES = 8;

/** Class of a series: colour, and dashes, so that colour is not all that tells series apart. */
export function seriesClass(index: number): string {
  return `s${index % STYLES}`;
}

export function linePath(points: readonly Point[], projection: Projection, className: string): Html {
  const d = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${projectX(x, projection)} ${projectY(y, projection)}`);
  return html`<path class="line ${className}" d="${d.join('')}" />`;
}

/** Lines of no length with round ends: dots that stay round however the field is stretched. */
export function dots(points: readonly Point[], projection: Projection, className: string): Html {
  const d = points.map(([x, y]) => `M${projectX(x, projection)} ${projectY(y, projection)}h0`);
  return html`<path class="dot ${className}" d="${d.join('')}" />`;
}

/** Upright bars from 0, those of several series side by side. */
export function bars(
  points: readonly Point[],
  projection: Projection,
  options: { readonly slot: number; readonly index: number; readonly of: number },
): Html {
  const { slot, index, of } = options;
  const width = (slot * 0.86) / of;
  const zero = Number(projectY(0, projection));
  const d = points.map(([x, y]) => {
    const left = x - (slot * 0.86) / 2 + index * width;
    const height = Number(projectY(y, projection));
    return `M${projectX(left, projection)} ${round(zero)}V${round(height)}H${projectX(left + width, projection)}V${round(zero)}z`;
  });
  return html`<path class="bar ${seriesClass(index)}" d="${d.join('')}" />`;
}

export function rule(x: number, projection: Projection, className: string): Html {
  return html`<path class="${className}" d="M${projectX(x, projection)} 0V${FIELD}" />`;
}
