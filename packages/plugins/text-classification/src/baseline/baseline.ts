import { AnnealError, type EvaluateContext, type Metrics, type Row } from '@anneal/core';

import { measure, type EvaluatorOptions } from '../evaluator.ts';
import { labelOf } from '../labels.ts';
import { PredictionStore, type Predictions } from '../metrics/predictions.ts';
import { type LinearClassifier, logitsOf, trainLogistic } from './logistic.ts';
import { type SparseMatrix, TfidfVectorizer } from './tfidf.ts';

export interface BaselineOptions extends EvaluatorOptions {
  readonly textColumn: string;
}

/** Rows by split. */
export interface BaselineData {
  readonly train: readonly Row[];
  /** Rows that regularisation is chosen on. */
  readonly validation: readonly Row[];
  readonly test: readonly Row[];
}

export interface BaselineResult {
  readonly metrics: Metrics;
  /** Inverse strength of regularisation that was chosen. */
  readonly c: number;
}

/** Strengths to choose from, and the one for data without a validation split. */
const CANDIDATES = [1, 10, 100];
const DEFAULT_C = 10;

/**
 * TF-IDF of words and pairs of words with logistic regression, trained on `train` and measured on `test`. How much it is
 * regularised is chosen by the log loss on `validation`: a baseline that was not tuned is easily beaten.
 */
export async function tfidfBaseline(
  { train, validation, test }: BaselineData,
  options: BaselineOptions,
  onIteration?: (iteration: number) => Promise<void>,
): Promise<BaselineResult> {
  const vectorizer = new TfidfVectorizer({ sublinearTf: true });
  const texts = (rows: readonly Row[]): string[] => rows.map((row) => textOf(row, options.textColumn));
  const x = vectorizer.fitTransform(texts(train));
  const y = labelsOf(train, options);
  const classes = options.labels.length;
  const predict = (model: LinearClassifier, rows: readonly Row[], matrix: SparseMatrix): Predictions => {
    const store = new PredictionStore(classes);
    const logits = logitsOf(model, matrix);
    labelsOf(rows, options).forEach((label, row) => store.add(label, logits, row * classes));
    return store.predictions;
  };
  const held = vectorizer.transform(texts(validation));
  let best: { model: LinearClassifier; c: number; loss: number } | undefined;
  let start: LinearClassifier | undefined;
  for (const c of validation.length === 0 ? [DEFAULT_C] : CANDIDATES) {
    const model = await trainLogistic(x, y, classes, { c, start, tolerance: 1e-5, onIteration });
    start = model;
    const loss = predict(model, validation, held).logLosses.reduce((a, b) => a + b, 0);
    if (best === undefined || loss < best.loss) best = { model, c, loss };
  }
  const { model, c } = best as NonNullable<typeof best>;
  return { metrics: measure(predict(model, test, vectorizer.transform(texts(test))), options, true), c };
}

/** {@link tfidfBaseline} on the splits of a run: gives way to other work now and then, and stops when told to. */
export async function runBaseline(ctx: EvaluateContext, options: BaselineOptions): Promise<Record<string, Metrics>> {
  const bar = ctx.progress('training the TF-IDF baseline');
  let iterations = 0;
  try {
    // A data source may leave splits out, whatever the type says.
    const splits: Readonly<Record<string, readonly Row[] | undefined>> = ctx.dataset.splits;
    const data = { train: splits['train'] ?? [], validation: splits['validation'] ?? [], test: ctx.split };
    const { metrics, c } = await tfidfBaseline(data, options, async () => {
      ctx.signal.throwIfAborted();
      bar.update(++iterations);
      await new Promise<void>((resume) => {
        setTimeout(resume, 0);
      });
    });
    ctx.logger.info(`TF-IDF baseline: C ${c}, accuracy ${metrics['accuracy']?.value.toFixed(4)}`);
    return { 'tfidf-logreg': metrics };
  } finally {
    bar.done();
  }
}

function labelsOf(rows: readonly Row[], { labels, labelColumn }: EvaluatorOptions): Int32Array {
  return Int32Array.from(rows, (row) => labels.indexOf(labelOf(row, labelColumn) ?? ''));
}

function textOf(row: Row, column: string): string {
  const text = row[column];
  if (typeof text === 'string') return text;
  throw new AnnealError('ANNEAL_E_DATA', `the baseline reads text in \`${column}\`, received ${JSON.stringify(text)}`, {
    fix: 'name the column in `textColumn`, or set `baseline: false`',
  });
}
