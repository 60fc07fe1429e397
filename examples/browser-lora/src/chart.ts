/// <reference lib="dom" />

const HEIGHT = 240;
const AREA = { left: 44, top: 12, bottom: HEIGHT - 28 };
/** Between the end of the curve and that of the picture. */
const MARGIN = 12;
/** Of the mean that is drawn over the losses of single steps. */
const SMOOTHING = 0.9;

/** A curve of losses that grows while training goes on. */
export class LossChart {
  readonly #svg: SVGElement;
  readonly #steps: number;
  readonly #losses: number[] = [];

  constructor(svg: SVGElement, steps: number) {
    this.#svg = svg;
    this.#steps = steps;
    this.draw();
  }

  add(loss: number): void {
    this.#losses.push(loss);
    this.draw();
  }

  draw(): void {
    const losses = this.#losses;
    // As wide as the page has room, so that text is as large as elsewhere.
    const width = Math.max(240, this.#svg.clientWidth);
    const right = width - MARGIN;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const top = Math.max(0.5, Math.ceil(Math.max(0, ...losses) * 2) / 2);
    const x = (step: number): number => AREA.left + ((right - AREA.left) * step) / Math.max(1, this.#steps - 1);
    const y = (loss: number): number => AREA.bottom - ((AREA.bottom - AREA.top) * loss) / top;
    const path = (values: readonly number[]): string =>
      values.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    const lines = [0, top / 2, top].map((value) => {
      const line = element('line', { class: 'grid', x1: AREA.left, x2: right, y1: y(value), y2: y(value) });
      const label = element('text', { x: AREA.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, String(value));
      return [line, label];
    });
    const title = this.#svg.querySelector('title') as Element;
    const last = losses.at(-1);
    title.textContent = last === undefined ? 'Loss' : `Loss after ${losses.length} steps: ${last.toFixed(3)}`;
    this.#svg.replaceChildren(
      title,
      ...lines.flat(),
      element('text', { x: AREA.left, y: HEIGHT - 8 }, 'step 1'),
      element('text', { x: right, y: HEIGHT - 8, 'text-anchor': 'end' }, `step ${this.#steps}`),
      element('path', { class: 'each', d: path(losses) }),
      element('path', { class: 'mean', d: path(smoothed(losses)) }),
    );
  }
}

/** An exponential mean whose first values are not pulled towards zero. */
function smoothed(values: readonly number[]): readonly number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = SMOOTHING * sum + (1 - SMOOTHING) * value;
    weight = SMOOTHING * weight + (1 - SMOOTHING);
    return sum / weight;
  });
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, text: string = ''): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}
