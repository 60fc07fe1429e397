import type { Figure } from '../../task.ts';
import { number, percent } from '../format.ts';
import { chart, seriesLegend } from './chart/chart.ts';
import { bars, dots, linePath, type Projection, seriesClass } from './chart/marks.ts';
import { type Point, reducePoints } from './chart/reduce.ts';
import { type Domain, extent, isDrawable, niceDomain, union } from './chart/scale.ts';
import { html, said, verbatim, type Html } from './markup.ts';
import { rest, table } from './table.ts';
import { clip, limited, plural } from './text.ts';

type Plot = Exclude<Figure, { kind: 'table' }>;
type Series = Plot['series'][number];

/** A figure of one variant of the model. */
export interface Variant {
  /** `full precision`, `compressed`; empty where there is only one. */
  readonly name: string;
  readonly figure: Figure;
}

const MAX_FIGURES = 40;
const MAX_SERIES = 12;
const MAX_POINTS = 500;
/** Points that are few are drawn as dots on their line. */
const FEW_POINTS = 30;
const MAX_COLUMNS = 40;

/** Figures by name; those that several variants have stand side by side, on the same scales. */
export function figureGroups(
  variants: readonly { readonly name: string; readonly figures: Readonly<Record<string, Figure>> | undefined }[],
  id: string,
): Html | undefined {
  const names = [...new Set(variants.flatMap(({ figures }) => Object.keys(figures ?? {})))];
  if (names.length === 0) return undefined;
  const { shown, more } = limited(names, MAX_FIGURES);
  const groups = shown.map((name, i) => {
    const own = variants.flatMap(({ name: variant, figures }): Variant[] => {
      const figure = figures !== undefined && Object.hasOwn(figures, name) ? figures[name] : undefined;
      return figure === undefined ? [] : [{ name: variant, figure }];
    });
    return figureGroup(own, `${id}-${i}`);
  });
  return html`<div class="figures">${groups}</div>
    ${rest(more, 'figure')}`;
}

function figureGroup(variants: readonly Variant[], id: string): Html {
  const plots = variants.flatMap(({ figure }) => (figure.kind === 'table' ? [] : [figure]));
  const domains = plots.length === 0 ? undefined : sharedDomains(plots);
  const title = variants[0]?.figure.title ?? '';
  const named = variants.length > 1;
  const figures = variants.map(({ name, figure }, i) => {
    const full = named ? `${figure.title}: ${name}` : figure.title;
    const body = figure.kind === 'table' ? tableFigure(figure, full) : plotFigure(figure, full, domains, `${id}-${i}`);
    return html`<figure>${named && html`<figcaption>${sentence(name)}</figcaption>`}${body}</figure>`;
  });
  return html`<div class="group${named && ' pair'}">
    <h3>${said(clip(title, 200))}</h3>
    <div class="side">${figures}</div>
  </div>`;
}

const sentence = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

interface Domains {
  readonly x: Domain;
  readonly y: Domain;
}

/** One pair of scales for the variants of a figure, so that they can be compared by eye; `undefined` without points. */
function sharedDomains(plots: readonly Plot[]): Domains | undefined {
  const points = plots.flatMap(({ series }) => series.slice(0, MAX_SERIES).flatMap(drawable));
  const isBar = plots.some(({ kind }) => kind === 'bar');
  const half = isBar ? slotOf(points) / 2 : 0;
  const x = union(
    extent(points.map(([own]) => own)),
    isBar ? extent(points.flatMap(([own]) => [own - half, own + half])) : undefined,
  );
  const y = union(
    extent(points.map(([, own]) => own)),
    isBar ? extent(points.flatMap(([, own]) => [0, own])) : undefined,
  );
  if (x === undefined || y === undefined) return undefined;
  return {
    x: fixed(
      x,
      plots.map((plot) => plot.x),
      isBar,
    ),
    y: fixed(
      y,
      plots.map((plot) => plot.y),
      false,
    ),
  };
}

/** Ends that the figure names stay; the others go to the next tick. Bars at the ends of a scale need their width. */
function fixed(found: Domain, axes: readonly Plot['x'][], keepFound: boolean): Domain {
  const nice = keepFound ? found : niceDomain(found, 5);
  const named = (key: 'min' | 'max'): number | undefined => {
    const values = axes.flatMap((axis) => (isDrawable(axis[key]) ? [axis[key]] : []));
    return values.length === 0 ? undefined : key === 'min' ? Math.min(...values) : Math.max(...values);
  };
  const [min, max] = [named('min') ?? nice.min, named('max') ?? nice.max];
  const wide = keepFound ? { min: Math.min(min, found.min), max: Math.max(max, found.max) } : { min, max };
  return wide.min < wide.max ? wide : nice;
}

function drawable({ points }: Series): readonly Point[] {
  return points.filter(([x, y]) => isDrawable(x) && isDrawable(y));
}

/** The least distance of two bars. */
function slotOf(points: readonly Point[]): number {
  const places = [...new Set(points.map(([x]) => x))].toSorted((a, b) => a - b);
  const gaps = places.slice(1).map((x, i) => x - (places[i] as number));
  return gaps.length === 0 ? 1 : gaps.reduce((least, gap) => Math.min(least, gap));
}

function plotFigure(plot: Plot, title: string, domains: Domains | undefined, id: string): Html {
  if (domains === undefined) return html`<p class="note">This figure has no points.</p>`;
  const { shown, more } = limited(plot.series, MAX_SERIES);
  const all = shown.map(drawable);
  const slot = slotOf(all.flat());
  const cut = plot.kind === 'bar' ? Math.max(0, ...all.map((points) => points.length - MAX_POINTS)) : 0;
  const lost = shown.reduce((sum, { points }, i) => sum + points.length - (all[i] as readonly Point[]).length, 0);
  const picture = chart({
    id,
    title,
    description: describe(plot, all),
    x: { label: plot.x.label, domain: domains.x },
    y: { label: plot.y.label, domain: domains.y },
    marks: (projection) => [
      plot.diagonal === true ? diagonal(projection) : undefined,
      ...all.flatMap((points, i) => seriesMarks(plot.kind, points, projection, { slot, index: i, of: all.length })),
    ],
  });
  const names = shown.map(({ name }) => name);
  const swatch = plot.kind === 'scatter' ? 'dot' : plot.kind;
  return html`${picture}${names.length > 1 && seriesLegend(names, swatch)}${lost > 0 && html`<p class="note">${plural(lost, 'point')} that ${lost === 1 ? 'is' : 'are'} no number not drawn.</p>`}${rest(cut, 'bar')}${rest(more, 'series', 'series')}`;
}

function seriesMarks(
  kind: Plot['kind'],
  points: readonly Point[],
  projection: Projection,
  place: { readonly slot: number; readonly index: number; readonly of: number },
): readonly Html[] {
  if (points.length === 0) return [];
  const className = seriesClass(place.index);
  if (kind === 'bar') return [bars(points.slice(0, MAX_POINTS), projection, place)];
  const few = reducePoints(points, MAX_POINTS);
  if (kind === 'scatter') return [dots(few, projection, className)];
  const line = linePath(few, projection, className);
  return points.length <= FEW_POINTS ? [line, dots(points, projection, className)] : [line];
}

function diagonal({ x, y }: Projection): Html {
  const [from, to] = [Math.max(x.min, y.min), Math.min(x.max, y.max)];
  if (from >= to) return verbatim('');
  return linePath(
    [
      [from, from],
      [to, to],
    ],
    { x, y },
    'diagonal',
  );
}

const KINDS: Readonly<Record<Plot['kind'], string>> = { line: 'Line chart', bar: 'Bar chart', scatter: 'Scatter plot' };

/** What a reader who cannot see the picture gets. */
function describe(plot: Plot, all: readonly (readonly Point[])[]): string {
  const parts = all.map((points, i) => {
    const name = clip(plot.series[i]?.name ?? '', 60);
    const [first, last, range] = [points[0], points.at(-1), extent(points.map(([, y]) => y))];
    if (first === undefined || last === undefined || range === undefined) return `${name}: no points.`;
    const at = ([x, y]: Point): string => `${number(y)} at ${number(x)}`;
    const between = points.length > 2 ? `, between ${number(range.min)} and ${number(range.max)}` : '';
    return `${name}: ${plural(points.length, 'point')}, from ${at(first)} to ${at(last)}${between}.`;
  });
  return `${KINDS[plot.kind]} of ${clip(plot.y.label, 60)} against ${clip(plot.x.label, 60)}. ${parts.join(' ')}`;
}

function tableFigure({ columns, rows }: Extract<Figure, { kind: 'table' }>, title: string): Html {
  const { shown, more } = limited(columns, MAX_COLUMNS);
  const numeric = shown.map((_, c) => rows.length > 0 && rows.every((row) => isNumeric(row[c])));
  const matrix = isMatrix(columns, rows);
  const cells = rows.map((row) => {
    const total = row.slice(1).reduce<number>((sum, value) => sum + (typeof value === 'number' ? value : 0), 0);
    return row.slice(0, MAX_COLUMNS).map((value, c) => {
      if (typeof value !== 'number') return said(clip(String(value ?? ''), 200));
      if (!matrix || c === 0) return number(value);
      const part = total > 0 ? value / total : 0;
      return html`<span class="heat h${Math.round(9 * Math.min(1, Math.max(0, part)))}"
        >${number(value)}<small>${percent(part)}</small></span
      >`;
    });
  });
  return html`${table({
    caption: title,
    hideCaption: true,
    className: matrix ? 'matrix' : undefined,
    columns: shown.map((head, c) => ({
      head: head === '' ? html`<span class="unseen">row</span>` : said(clip(head, 80)),
      numeric: numeric[c],
    })),
    rows: cells,
  })}${rest(more, 'column')}`;
}

/** Numbers, also those that are written out, such as `0.2358` or `0.18 – 0.28`. */
function isNumeric(cell: string | number | undefined): boolean {
  return typeof cell === 'number' || /^[\d\s.,%eE\u2212\u2013+-]*$/.test(cell ?? '');
}

/** Rows and columns of the same names, such as a confusion matrix: shares of a row are worth showing. */
function isMatrix(columns: readonly string[], rows: readonly (readonly (string | number)[])[]): boolean {
  return (
    rows.length > 1 &&
    rows.length === columns.length - 1 &&
    rows.every(
      (row, r) => row[0] === columns[r + 1] && row.slice(1).every((value) => typeof value === 'number' && value >= 0),
    )
  );
}
