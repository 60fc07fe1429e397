import type { Row } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { tfidfBaseline } from '../src/baseline/baseline.ts';
import { minimize } from '../src/baseline/lbfgs.ts';
import { logitsOf, trainLogistic } from '../src/baseline/logistic.ts';
import { TfidfVectorizer } from '../src/baseline/tfidf.ts';
import { fixture } from './fixtures.ts';

interface TfidfFixture {
  readonly cases: readonly {
    readonly classes: number;
    readonly labels: readonly number[];
    readonly texts: readonly string[];
    readonly heldOut: readonly string[];
    readonly cases: readonly {
      readonly sublinearTf: boolean;
      readonly c: number;
      readonly terms: readonly string[];
      readonly firstRow: Readonly<Record<string, number>>;
      readonly probabilities: readonly (readonly number[])[];
    }[];
  }[];
}

function softmax(row: Float64Array): number[] {
  const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
  return Array.from(row, (z) => Math.exp(z) / total);
}

for (const { classes, labels, texts, heldOut, cases } of fixture<TfidfFixture>('tfidf.json').cases) {
  for (const { sublinearTf, c, terms, firstRow, probabilities } of cases) {
    describe(`${classes} classes, sublinear ${sublinearTf}, C ${c}`, () => {
      const vectorizer = new TfidfVectorizer({ sublinearTf });
      const x = vectorizer.fitTransform(texts);

      it('terms and weights are what scikit-learn says', () => {
        const names = vectorizer.terms();
        expect(names.toSorted()).toEqual(terms.toSorted());
        const row = Object.fromEntries(
          Array.from(x.column.subarray(x.start[0], x.start[1]), (column, i) => [
            names[column]!,
            x.value[x.start[0]! + i]!,
          ]),
        );
        expect(Object.keys(row).toSorted()).toEqual(Object.keys(firstRow).toSorted());
        for (const [term, weight] of Object.entries(firstRow)) expect(row[term]).toBeCloseTo(weight, 12);
      });

      it('probabilities are what scikit-learn says', async () => {
        const model = await trainLogistic(x, Int32Array.from(labels), classes, { c, tolerance: 1e-8 });
        const logits = logitsOf(model, vectorizer.transform(heldOut));
        probabilities.forEach((wanted, row) => {
          const found = softmax(logits.subarray(row * classes, (row + 1) * classes));
          wanted.forEach((p, k) => expect(Math.abs(found[k]! - p)).toBeLessThan(1e-5));
        });
      });

      it('the tolerance of the baseline is enough for three digits', async () => {
        const model = await trainLogistic(x, Int32Array.from(labels), classes, { c, tolerance: 1e-5 });
        const logits = logitsOf(model, vectorizer.transform(heldOut));
        probabilities.forEach((wanted, row) => {
          const found = softmax(logits.subarray(row * classes, (row + 1) * classes));
          wanted.forEach((p, k) => expect(Math.abs(found[k]! - p)).toBeLessThan(1e-3));
        });
      });
    });
  }
}

describe('the vectorizer', () => {
  it('knows single words only when told to', () => {
    const vectorizer = new TfidfVectorizer({ maxNgram: 1, minDf: 1 });
    vectorizer.fitTransform(['Zoë likes naïve Zoë', 'a I']);
    expect(vectorizer.terms()).toEqual(['zoë', 'likes', 'naïve']);
  });

  it('gives texts without known words an empty row', () => {
    const vectorizer = new TfidfVectorizer({ minDf: 1 });
    vectorizer.fitTransform(['one two', 'two three']);
    const x = vectorizer.transform(['', 'four five', 'two']);
    expect(Array.from(x.start)).toEqual([0, 0, 0, 1]);
    expect(x.value[0]).toBeCloseTo(1, 12);
  });
});

describe('the minimiser', () => {
  it('finds the minimum of the Rosenbrock function', async () => {
    const x = Float64Array.of(-1.2, 1);
    const value = await minimize(
      ([a, b], gradient) => {
        gradient[0] = -400 * a! * (b! - a! * a!) - 2 * (1 - a!);
        gradient[1] = 200 * (b! - a! * a!);
        return 100 * (b! - a! * a!) ** 2 + (1 - a!) ** 2;
      },
      x,
      { tolerance: 1e-9 },
    );
    expect(value).toBeLessThan(1e-15);
    expect(x[0]).toBeCloseTo(1, 7);
    expect(x[1]).toBeCloseTo(1, 7);
  });

  it('stops after the given iterations and when it is told to', async () => {
    let seen = 0;
    const square = (x: Float64Array, gradient: Float64Array): number => {
      gradient[0] = Math.sinh(x[0]!);
      return Math.cosh(x[0]!);
    };
    await minimize(square, Float64Array.of(9), { maxIterations: 2, tolerance: 0, onIteration: () => void seen++ });
    expect(seen).toBe(2);
    const stop = new Error('stop');
    const onIteration = (): never => {
      throw stop;
    };
    await expect(minimize(square, Float64Array.of(9), { onIteration })).rejects.toBe(stop);
  });

  it('stays where it is when no step lowers the value', async () => {
    const x = Float64Array.of(2);
    // The gradient is a lie: it points uphill everywhere.
    await minimize((at, gradient) => {
      gradient[0] = -2 * at[0]!;
      return at[0]! ** 2;
    }, x);
    expect(x[0]).toBe(2);
  });
});

describe('the baseline', () => {
  const options = {
    labels: ['ham', 'spam'],
    labelColumn: 'label',
    textColumn: 'text',
    positive: 1,
    bins: 15,
    samples: 100,
    seed: 0,
  };
  const rows = Array.from({ length: 40 }, (_, i) => ({
    text: i % 2 === 0 ? `lunch meeting agenda ${i}` : `win money now ${i}`,
    label: i % 2 === 0 ? 'ham' : 'spam',
  }));

  const data = { train: rows.slice(0, 30), validation: [], test: rows.slice(30) };

  it('learns, and measures what the evaluator measures', async () => {
    const { metrics, c } = await tfidfBaseline(data, options);
    expect(c).toBe(10);
    expect(metrics['accuracy']).toEqual({ value: 1, better: 'higher', ci95: [1, 1] });
    expect(Object.keys(metrics)).toEqual(
      expect.arrayContaining(['accuracy', 'precision', 'recall', 'f1', 'auroc', 'ece', 'logLoss', 'brier']),
    );
  });

  it('chooses how much to regularise on the validation rows', async () => {
    const chosen = async (validation: readonly Row[]): Promise<number> =>
      (await tfidfBaseline({ ...data, validation }, options)).c;
    // Rows like those it learnt from want certainty, rows that contradict them want doubt.
    expect(await chosen(rows.slice(0, 10))).toBe(100);
    expect(
      await chosen(rows.slice(0, 10).map(({ text, label }) => ({ text, label: label === 'ham' ? 'spam' : 'ham' }))),
    ).toBe(1);
  });

  it('names the column when there is no text', async () => {
    await expect(tfidfBaseline({ ...data, train: [{ label: 'ham' }] }, options)).rejects.toMatchObject({
      code: 'ANNEAL_E_DATA',
      message: 'the baseline reads text in `text`, received undefined',
    });
  });
});
