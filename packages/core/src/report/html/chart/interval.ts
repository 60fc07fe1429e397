import type { Reading } from '../../quantities.ts';
import { html, type Html } from '../markup.ts';
import { type Domain, extent } from './scale.ts';

/** Room at both ends, in percent, so that dots are not cut. */
const MARGIN = 6;

/**
 * Values with their intervals one above the other, on a scale of their own. A picture of numbers that stand beside it,
 * so hidden from screen readers.
 */
export function intervalPlot(readings: readonly (Reading | undefined)[]): Html | undefined {
  const shown = readings.filter((reading) => reading?.value !== undefined && reading.ci95 !== undefined);
  const domain = extent(shown.flatMap((reading) => [reading?.value as number, ...(reading?.ci95 ?? [])]));
  if (domain === undefined || shown.length < 2) return undefined;
  const step = 20 / (readings.length + 1);
  const marks = readings.map((reading, i) => {
    if (reading?.value === undefined || reading.ci95 === undefined) return undefined;
    const [low, high] = reading.ci95;
    const y = Math.round(step * (i + 1) * 10) / 10;
    return html`<line class="range v${i}" x1="${at(low, domain)}" x2="${at(high, domain)}" y1="${y}" y2="${y}" /><circle
        class="value v${i}"
        cx="${at(reading.value, domain)}"
        cy="${y}"
        r="3"
      />`;
  });
  return html`<svg class="interval" aria-hidden="true" width="120" height="20">${marks}</svg>`;
}

function at(value: number, { min, max }: Domain): string {
  const share = MARGIN + ((100 - 2 * MARGIN) * (value - min)) / (max - min);
  return `${Math.round(share * 10) / 10}%`;
}
