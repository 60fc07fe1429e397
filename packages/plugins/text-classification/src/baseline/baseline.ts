import { AnnealError, type EvaluateContext, type Metrics, type Row } from '@anneal/core';

import { measure, type EvaluatorOptions } from '../evaluator.ts';
import { labelOf } from '../labels.ts';
import { PredictionStore } from '../metrics/predictions.ts';
import { logitsOf, trainLogistic } from './logistic.ts';
import { TfidfVectorizer } from './tfidf.ts';

export interface BaselineOptions extends EvaluatorOptions {
  readonly textColumn: string;
}

/** Weak regularisation: n-grams are many and each says little. The value that text classification commonly starts from. */
const C = 10;

/** TF-IDF of words and pairs of words with logistic regression, trained on `train` and measured on `test`. */
export async function tfidfBaseline(
  train: readonly Row[],
  test: readonly Row[],
  options: BaselineOptions,
  onIteration?: (iteration: number) => Promise<void>,
): Promise<Metrics> {
  const vectorizer = new TfidfVectorizer({ sublinearTf: true });
  const x = vectorizer.fitTransform(train.map((row) => textOf(row, options.textColumn)));
  const classes = options.labels.length;
  const model = await trainLogistic(x, labelsOf(train, options), classes, { c: C, tolerance: 1e-5, onIteration });
  const logits = logitsOf(model, vectorizer.transform(test.map((row) => textOf(row, options.textColumn))));
  const store = new PredictionStore(classes);
  labelsOf(test, options).forEach((label, row) => store.add(label, logits, row * classes));
  return measure(store.predictions, options, true);
}

/** {@link tfidfBaseline} on the splits of a run: gives way to other work now and then, and stops when told to. */
export async function runBaseline(ctx: EvaluateContext, options: BaselineOptions): Promise<Record<string, Metrics>> {
  const bar = ctx.progress('training the TF-IDF baseline');
  try {
    const metrics = await tfidfBaseline(ctx.dataset.splits['train'] ?? [], ctx.split, options, async (iteration) => {
      ctx.signal.throwIfAborted();
      bar.update(iteration);
      await new Promise<void>((resume) => {
        setTimeout(resume, 0);
      });
    });
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
