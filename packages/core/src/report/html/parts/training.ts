import type { TrainPoint, TrainReport } from '../../../train/types.ts';
import { bytes, duration, number, percent, quality, short } from '../../format.ts';
import { quantityOf } from '../../quantities.ts';
import { chart, legend } from '../chart/chart.ts';
import { dots, linePath, rule } from '../chart/marks.ts';
import { type Point, quantileOf, reducePoints, smoothed } from '../chart/reduce.ts';
import { type Domain, extent, isDrawable, niceDomain, union } from '../chart/scale.ts';
import { html, said, type Html } from '../markup.ts';
import { facts, rest, table } from '../table.ts';
import { clip, limited, plural } from '../text.ts';
import type { Part } from './section.ts';

const MAX_STAGES = 20;
/** Points of the raw curve, and of its smoothed line, that are drawn. */
const RAW_POINTS = 1000;
const LINE_POINTS = 400;
/** Shorter curves are drawn as they are. */
const SMOOTH_FROM = 30;
/** More epochs than this have no marks of their own. */
const MAX_EPOCH_MARKS = 12;

export const training: Part = ({ train }) => {
  const { shown, more } = limited(train, MAX_STAGES);
  if (shown.length === 0) return undefined;
  const stages = shown.map((stage, i) => stageHtml(stage, `train-${i}`, shown.length > 1));
  return { id: 'training', title: 'Training', body: html`${stages}${rest(more, 'stage')}` };
};

function stageHtml(stage: TrainReport, id: string, named: boolean): Html {
  const small = [learningRate(stage, `${id}-lr`), gradNorm(stage, `${id}-norm`), monitored(stage, `${id}-val`)].filter(
    (picture) => picture !== undefined,
  );
  return html`<div class="stage">
    ${named && html`<h3>Stage <bdi>${clip(stage.stage, 80)}</bdi></h3>`}${stageFacts(stage)}${lossChart(stage, `${id}-loss`)}${small.length > 0 && html`<div class="small-charts">${small}</div>`}${validationTable(stage)}
  </div>`;
}

function stageFacts(stage: TrainReport): Html {
  const { best, trainableParameters: trained, totalParameters: all } = stage;
  return facts([
    ['Steps', `${number(stage.steps)} in ${plural(stage.epochs, 'epoch')}`],
    ['Trained weights', `${short(trained)} of ${short(all)} (${percent(trained / all)})`],
    ['Speed', `${number(stage.tokensPerSecond)} tokens/s`],
    ['Tokens', short(stage.tokens)],
    ['Time', `${duration(stage.seconds)}, and ${duration(stage.compileSeconds)} compiling`],
    ['Memory', memoryText(stage.memory)],
    ...(stage.int8 ? [['Frozen layers', int8Text(stage.int8)] as const] : []),
    [
      'Best checkpoint',
      best === undefined
        ? 'last step'
        : html`${said(clip(best.metric, 40))} ${quality(best.value)} at step ${number(best.step)}`,
    ],
    ...(stage.skippedSteps > 0 ? [['Skipped steps', `${number(stage.skippedSteps)}, not finite`] as const] : []),
    ...(stage.stoppedEarly ? [['Stopped early', 'no more improvement'] as const] : []),
  ]);
}

function memoryText({ predicted, peakRssBytes, microBatchSize, gradientCheckpointing }: TrainReport['memory']): string {
  const sizes = [
    ...(peakRssBytes === undefined ? [] : [`${bytes(peakRssBytes)} at its peak`]),
    ...(predicted === undefined ? [] : [`${bytes(predicted.total)} predicted`]),
  ];
  const rows = `${plural(microBatchSize, 'row')} at a time${gradientCheckpointing ? ', blocks computed again' : ''}`;
  return [...sizes, rows].join(', ');
}

function int8Text({ layers, largestError, kept }: NonNullable<TrainReport['int8']>): string {
  const rest = kept.length > 0 ? `, ${plural(kept.length, 'layer')} not, for want of accuracy` : '';
  return `${number(layers)} in int8, errors up to ${(100 * largestError).toFixed(1)} %${rest}`;
}

function pointsOf(curve: readonly TrainPoint[], key: 'loss' | 'learningRate' | 'gradNorm'): readonly Point[] {
  return curve.flatMap((point): Point[] => (isDrawable(point[key]) ? [[point.step, point[key]]] : []));
}

/** Validation losses are drawn with the training loss: they are of the same kind, if not of the same formula. */
function validationLosses({
  validation,
}: TrainReport): { readonly name: string; readonly points: readonly Point[] } | undefined {
  const names = Object.keys(validation[0]?.metrics ?? {});
  const name = ['loss', 'logLoss'].find((candidate) => names.includes(candidate));
  const points = name === undefined ? [] : validationPoints(validation, name);
  return name === undefined || points.length === 0 ? undefined : { name, points };
}

function validationPoints(validation: TrainReport['validation'], name: string): readonly Point[] {
  return validation.flatMap(({ step, metrics }): Point[] => {
    const value = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
    return isDrawable(value) ? [[step, value]] : [];
  });
}

/** Points over which a curve is smoothed; 1 where it is drawn as it is. */
function windowOf(points: readonly Point[]): number {
  return points.length < SMOOTH_FROM ? 1 : Math.max(5, Math.round(points.length / 25));
}

function lossChart(stage: TrainReport, id: string): Html | undefined {
  const raw = pointsOf(stage.curve, 'loss');
  if (raw.length < 2) return undefined;
  const window = windowOf(raw);
  const line = smoothed(raw, window);
  const validation = validationLosses(stage);
  const y = lossDomain(raw, [...line, ...(validation?.points ?? [])]);
  const seen = raw.filter(([, loss]) => loss <= y.max);
  const x = union(extent(raw.map(([step]) => step)), validation && extent(validation.points.map(([step]) => step)));
  const last = line.at(-1) as Point;
  const range = extent(raw.map(([, loss]) => loss)) as Domain;
  const epochs = epochStarts(stage.curve);
  const picture = chart({
    id,
    title: `Loss by step, stage ${clip(stage.stage, 80)}`,
    description: `Training loss over ${plural(raw.length, 'step')}: from ${quality(raw[0]?.[1] as number)} to about ${quality(last[1])}, between ${quality(range.min)} and ${quality(range.max)}.${
      validation === undefined
        ? ''
        : ` Validation ${validation.name}: ${validation.points
            .map(([step, value]) => `${quality(value)} at step ${number(step)}`)
            .slice(0, 20)
            .join(', ')}.`
    }`,
    x: { label: 'step', domain: x as Domain },
    y: { label: 'loss', domain: y },
    size: 'wide',
    flags: epochs.map(({ step, epoch }, i) => ({ x: step, text: i === 0 ? `epoch ${epoch}` : String(epoch) })),
    marks: (projection) => [
      ...epochs.slice(1).map(({ step }) => rule(step, projection, 'epoch')),
      window > 1 ? dots(reducePoints(seen, RAW_POINTS), projection, 'raw') : undefined,
      linePath(reducePoints(line, LINE_POINTS), projection, 's0'),
      validation && linePath(reducePoints(validation.points, LINE_POINTS), projection, 's1'),
      validation && dots(reducePoints(validation.points, LINE_POINTS), projection, 's1'),
    ],
  });
  const lost = stage.curve.length - raw.length;
  const notes = [
    raw.length > seen.length &&
      `${plural(raw.length - seen.length, 'step')} with a loss above ${quality(y.max)} not drawn.`,
    lost > 0 && `${plural(lost, 'step')} with a loss that is no number not drawn.`,
  ].filter((note) => note !== false);
  return html`<figure>
    ${picture}${legend([
      ...(window > 1 ? [{ name: 'each step', className: 'raw', mark: 'dot' } as const] : []),
      {
        name: window > 1 ? `training, smoothed over about ${window} steps` : 'training',
        className: 's0',
        mark: 'line',
      },
      ...(validation === undefined
        ? []
        : [{ name: `validation, ${validation.name}`, className: 's1', mark: 'line' } as const]),
    ])}${notes.length > 0 && html`<p class="note">${notes.join(' ')}</p>`}
  </figure>`;
}

/** All lines, and all raw points but rare spikes that would flatten the rest. */
function lossDomain(raw: readonly Point[], lines: readonly Point[]): Domain {
  const losses = raw.map(([, loss]) => loss);
  const inLines = extent(lines.map(([, loss]) => loss)) as Domain;
  const most = extent(losses) as Domain;
  const usual = Math.max(quantileOf(losses, 0.99), inLines.max);
  const max = most.max - most.min <= 1.5 * (usual - most.min) ? most.max : usual;
  const found = { min: Math.min(most.min, inLines.min), max: Math.max(max, inLines.max) };
  // A loss that is never below 0 is seen against 0, unless that would leave most of the chart empty.
  const min = found.min >= 0 && found.min < found.max / 2 ? 0 : found.min;
  return niceDomain(union({ min, max: found.max }) as Domain, 5);
}

function epochStarts(curve: readonly TrainPoint[]): readonly { readonly step: number; readonly epoch: number }[] {
  const starts = curve.flatMap(({ step, epoch }, i) => {
    const own = Math.floor(epoch);
    return i === 0 || own !== Math.floor(curve[i - 1]?.epoch ?? own) ? [{ step, epoch: own + 1 }] : [];
  });
  return starts.length > 1 && starts.length <= MAX_EPOCH_MARKS ? starts : [];
}

interface SmallChart {
  /** The scale begins at 0 where all values are above it. */
  readonly zero?: boolean;
  readonly marks: 'line' | 'line and dots' | 'smoothed';
}

function smallChart(id: string, title: string, points: readonly Point[], options: SmallChart): Html | undefined {
  if (points.length < 2) return undefined;
  const found = extent(points.map(([, y]) => y)) as Domain;
  const zero = options.zero === true && found.min >= 0 ? extent([0, found.max]) : undefined;
  const [first, last] = [points[0] as Point, points.at(-1) as Point];
  const line = options.marks === 'smoothed' ? smoothed(points, windowOf(points)) : points;
  const picture = chart({
    id,
    title,
    description: `From ${number(first[1])} at step ${number(first[0])} to ${number(last[1])} at step ${number(last[0])}, between ${number(found.min)} and ${number(found.max)}.`,
    x: { label: 'step', domain: extent(points.map(([step]) => step)) as Domain },
    y: { label: '', domain: niceDomain(union(found, zero) as Domain, 3) },
    size: 'small',
    marks: (projection) => [
      options.marks === 'smoothed' ? dots(reducePoints(points, LINE_POINTS), projection, 'raw') : undefined,
      linePath(reducePoints(line, LINE_POINTS), projection, 's0'),
      options.marks === 'line and dots' ? dots(reducePoints(points, LINE_POINTS), projection, 's0') : undefined,
    ],
  });
  return html`<figure>
    <figcaption>${said(title)}</figcaption>
    ${picture}
  </figure>`;
}

function learningRate({ curve }: TrainReport, id: string): Html | undefined {
  return smallChart(id, 'Learning rate', pointsOf(curve, 'learningRate'), { zero: true, marks: 'line' });
}

function gradNorm({ curve }: TrainReport, id: string): Html | undefined {
  return smallChart(id, 'Gradient norm', pointsOf(curve, 'gradNorm'), { zero: true, marks: 'smoothed' });
}

/** The metric that chooses the checkpoint, unless the loss chart has it; then the first headline metric. */
function monitored(stage: TrainReport, id: string): Html | undefined {
  const drawn = validationLosses(stage)?.name;
  const names = Object.keys(stage.validation[0]?.metrics ?? {});
  const wanted = [stage.best?.metric, 'accuracy', 'f1', ...names].find(
    (name) => name !== undefined && name !== drawn && names.includes(name),
  );
  if (wanted === undefined) return undefined;
  const title = `Validation: ${clip(quantityOf(wanted).label, 60)}`;
  return smallChart(id, title, validationPoints(stage.validation, wanted), { marks: 'line and dots' });
}

/** A few evaluations are shown, many on demand. */
const SHOWN_EVALUATIONS = 6;
const MAX_METRICS = 12;

function validationTable({ stage, validation, best }: TrainReport): Html | undefined {
  if (validation.length === 0) return undefined;
  const names = [...new Set(validation.flatMap(({ metrics }) => Object.keys(metrics)))].slice(0, MAX_METRICS);
  const rows = validation.map(({ step, metrics }) => [
    html`${number(step)}${step === best?.step && html` <span class="mark good"><span aria-hidden="true">★</span> best</span>`}`,
    ...names.map((name) => quality(Object.hasOwn(metrics, name) ? (metrics[name] as number) : Number.NaN)),
  ]);
  const body = table({
    caption: `Metrics on the validation split, stage ${stage}`,
    hideCaption: validation.length > SHOWN_EVALUATIONS,
    columns: [
      { head: 'Step' },
      ...names.map((name) => ({ head: said(clip(quantityOf(name).label, 40)), numeric: true })),
    ],
    rows,
  });
  if (validation.length <= SHOWN_EVALUATIONS) return body;
  return html`<details>
    <summary>${plural(validation.length, 'evaluation')} on the validation split</summary>
    ${body}
  </details>`;
}
