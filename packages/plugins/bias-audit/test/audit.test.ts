import { describe, expect, it } from 'vitest';

import { audit, GROUPS, hasName, namedRows, valuesOf } from './harness.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** A number in [-2, 2) from what is not a name. */
const topic = (text: string): number => ((Number(/Number (\d+)/.exec(text)?.[1] ?? 0) * 37) % 40) / 10 - 2;

describe('the audit of', () => {
  it('a model that ignores names finds nothing, exactly', async () => {
    const { section } = await audit({ rows: namedRows(60), model: topic });
    const values = valuesOf(section);
    for (const name of [
      'flipRate',
      'controlFlipRate',
      'excessFlipRate',
      'meanAbsDelta',
      'controlMeanAbsDelta',
      'excessMeanAbsDelta',
      'meanDelta',
      'demographicParityDifference',
      'equalizedOddsDifference',
    ]) {
      expect(values[name], name).toBe(0);
    }
    expect(values['unchangedRate']).toBe(1);
    expect(values['demographicParityRatio']).toBe(1);
    expect(values['selectionRate.female']).toBe(values['selectionRate.male']);
    expect(values['rows']).toBe(60);
  });

  it('a model that prefers a group finds the planted direction and size', async () => {
    const bias = 0.8;
    const model = (text: string): number => topic(text) + (hasName(text, 'female') ? bias : 0);
    const rows = namedRows(60);
    const { section } = await audit({ rows, model });
    const values = valuesOf(section);
    const effects = rows.map(({ text }) => {
      const base = topic(text as string);
      return { delta: sigmoid(base + bias) - sigmoid(base), flips: base <= 0 && base + bias > 0 };
    });
    const mean = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0) / all.length;
    const delta = mean(effects.map((effect) => effect.delta));
    const flips = mean(effects.map((effect) => Number(effect.flips)));
    expect(delta).toBeGreaterThan(0.1);
    expect(values['meanDelta']).toBeCloseTo(delta, 6);
    expect(values['meanAbsDelta']).toBeCloseTo(delta, 6);
    expect(values['controlMeanAbsDelta']).toBe(0);
    expect(values['excessMeanAbsDelta']).toBeCloseTo(delta, 6);
    expect(values['flipRate']).toBeCloseTo(flips, 12);
    expect(values['controlFlipRate']).toBe(0);
    expect(values['demographicParityDifference']).toBeCloseTo(flips, 12);
    expect(values['selectionRate.female']! - values['selectionRate.male']!).toBeCloseTo(flips, 12);
    const [low, high] = section.metrics['meanDelta']!.ci95!;
    expect(low).toBeGreaterThan(0);
    expect([low < delta, delta < high]).toEqual([true, true]);

    const opposite = await audit({ rows, model: (text) => topic(text) + (hasName(text, 'male') ? bias : 0) });
    expect(valuesOf(opposite.section)['meanDelta']).toBeCloseTo(-delta, 6);
  });

  it('a model that depends on the name but not on its group finds no more than the control', async () => {
    const model = (text: string): number => {
      const [name = ''] = /[A-H][a-z]{4,}/.exec(text.slice(8)) ?? [];
      return topic(text) + ((name.charCodeAt(0) * 5) % 8) / 4 - 1;
    };
    const { section } = await audit({ rows: namedRows(200), model, options: { swapsPerRow: 8 } });
    const values = valuesOf(section);
    expect(values['controlMeanAbsDelta']).toBeGreaterThan(0.1);
    expect(values['meanAbsDelta']).toBeGreaterThan(0.1);
    // Within the group the name itself is never drawn, so the control is a little larger: 8/7 on average.
    expect(Math.abs(values['excessMeanAbsDelta']!)).toBeLessThan(0.2 * values['meanAbsDelta']!);
    expect(Math.abs(values['meanDelta']!)).toBeLessThan(0.02);
  });

  it('a compressed model also tells of the model before, so that the effect of compression is seen', async () => {
    const rows = namedRows(40);
    const model = (text: string): number => topic(text) + (hasName(text, 'female') ? 1.5 : 0);
    const { section, asked } = await audit({ rows, model, reference: topic });
    const values = valuesOf(section);
    expect(values['flipRate']).toBeGreaterThan(0.2);
    expect(values['referenceFlipRate']).toBe(0);
    expect(values['referenceMeanAbsDelta']).toBe(0);
    expect(values['referenceDemographicParityDifference']).toBe(0);
    expect(asked.model).toEqual(asked.reference);
    expect(Object.keys(section.figures!).sort()).toEqual(['delta', 'groups', 'referenceDelta']);
    const alone = await audit({ rows, model });
    expect(Object.keys(alone.section.metrics).filter((name) => name.startsWith('reference'))).toEqual([]);
    expect(alone.asked.reference).toEqual([]);
  });

  it('a model with labels compares error rates; without labels it does not', async () => {
    // Spam is always found for female names, never for male ones; ham is always ham.
    const truth = (text: string): boolean => Number(/Number (\d+)/.exec(text)![1]) % 3 === 0;
    const model = (text: string): number => (truth(text) && hasName(text, 'female') ? 2 : -2);
    const rows = namedRows(60);
    expect(valuesOf((await audit({ rows, model })).section)['equalizedOddsDifference']).toBe(1);
    const unlabelled = rows.map(({ id, text }) => ({ id, text }) as const);
    const { section } = await audit({ rows: unlabelled, model });
    expect(section.metrics).not.toHaveProperty('equalizedOddsDifference');
    expect(valuesOf(section)['demographicParityDifference']).toBeGreaterThan(0.2);
  });

  it('several groups compares all of them', async () => {
    const groups = { ...GROUPS, other: ['Xanra', 'Yosti', 'Zelko'] };
    const rows = namedRows(30);
    const model = (text: string): number => topic(text) + (/Xanra|Yosti|Zelko/.test(text) ? 4 : 0);
    const { section, asked } = await audit({ rows, model, options: { groups, swapsPerRow: 2 } });
    const values = valuesOf(section);
    expect(values).not.toHaveProperty('meanDelta');
    expect(values['selectionRate.other']).toBe(1);
    expect(values['selectionRate.female']).toBe(values['selectionRate.male']);
    expect(asked.model).toHaveLength(30 * (1 + 3 * 2));
  });

  it('rows with names of several groups swaps each, and leaves them out of rates by group', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ text: `Number ${i}: Arila met Corwin.` }));
    const model = (text: string): number =>
      /: (\w+) met/.exec(text)![1]!.length > 0 && hasName(text.slice(0, 20), 'female') ? 1 : -1;
    const { section, asked } = await audit({ rows, model, options: { swapsPerRow: 1 } });
    expect(valuesOf(section)).toMatchObject({ flipRate: 1, controlFlipRate: 0 });
    expect(section.metrics).not.toHaveProperty('meanDelta');
    expect(section.metrics).not.toHaveProperty('demographicParityDifference');
    for (const text of asked.model.slice(40)) {
      expect([hasName(text, 'female'), hasName(text, 'male')]).toEqual([true, true]);
    }
    expect(section.method).toContain('without the 40 rows whose names are of several');
  });
});

describe('the report', () => {
  it('shows the largest changes with both probabilities', async () => {
    const rows = namedRows(40);
    const bias = 3;
    const model = (text: string): number => (/Number 7:/.test(text) && hasName(text, 'female') ? bias : -1);
    const { section } = await audit({ rows, model });
    const [top] = section.samples!;
    expect(top).toMatchObject({ kind: 'swap', id: 'row7', classBefore: 'ham', classAfter: 'spam' });
    expect(top!['before']).toBeCloseTo(sigmoid(-1), 6);
    expect(top!['after']).toBeCloseTo(sigmoid(bias), 6);
    const [from, to] = (top!['names'] as string).split(' → ');
    expect(GROUPS.male).toContain(from);
    expect(GROUPS.female).toContain(to);
    expect(top!['excerpt']).toBe(`Number 7: ${from} wrote, said ${from}.`);
    expect(section.samples).toHaveLength(10);
    expect(new Set(section.samples!.map(({ id }) => id)).size).toBe(10);
  });

  it('draws how probabilities change, for swaps between and within groups', async () => {
    const model = (text: string): number => (hasName(text, 'female') ? 1 : -1);
    const { section } = await audit({ rows: namedRows(40), model });
    const figure = section.figures!['delta']!;
    if (figure.kind !== 'bar') throw new Error(figure.kind);
    const [between, within] = figure.series;
    const limit = sigmoid(1) - sigmoid(-1);
    expect(figure.x.max).toBeCloseTo(limit, 6);
    const filled = (points: readonly (readonly [number, number])[]) => points.filter(([, share]) => share > 0);
    expect(filled(between!.points)).toEqual([
      [expect.closeTo(-limit, 6), 0.5],
      [expect.closeTo(limit, 6), 0.5],
    ]);
    expect(filled(within!.points)).toEqual([[expect.closeTo(0, 12), 1]]);
    expect(section.figures!['groups']).toMatchObject({
      kind: 'table',
      rows: [
        ['female', 20, '1.0000', '1.0000 – 1.0000'],
        ['male', 20, '0.0000', '0.0000 – 0.0000'],
      ],
    });
  });

  it('says what was asked and what it cannot tell', async () => {
    const { section } = await audit({ rows: namedRows(40), model: topic });
    expect(section.method).toContain('40 of 40 test rows have such names');
    expect(section.method).toContain('p(spam) with names of "female" less that with names of "male"');
    expect(section.method).toContain('cannot tell');
    expect(section.method).not.toContain('reference…');
  });

  it('is plain JSON', async () => {
    const { section } = await audit({ rows: namedRows(40), model: topic, reference: topic });
    expect(JSON.parse(JSON.stringify(section))).toEqual(section);
  });

  it('depends on the seed alone', async () => {
    const rows = namedRows(60);
    const model = (text: string): number => topic(text) + text.length / 50;
    const first = await audit({ rows, model, options: { maxRows: 20 } });
    const again = await audit({ rows, model, options: { maxRows: 20 } });
    const other = await audit({ rows, model, options: { maxRows: 20 }, seed: 4 });
    expect(again).toEqual(first);
    expect(other.asked).not.toEqual(first.asked);
    expect(valuesOf(first.section)).toMatchObject({ rows: 20, rowsWithNames: 60 });
  });

  it('tells how far it is', async () => {
    const { progress } = await audit({ rows: namedRows(40), model: topic, reference: topic, options: { minRows: 50 } });
    const total = 2 * (40 + 40) * (1 + 2 * 4);
    expect(progress.at(-1)).toBe('done');
    expect(progress.at(-2)).toBe(`bias audit ${total}/${total}`);
  });
});

describe('few rows with names', () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    text: `Subject: x\nFrom: y\n\nNumber ${i}: nothing.`,
    label: 'ham',
  }));

  it('none: made-up greetings are measured, and nothing else', async () => {
    const model = (text: string): number => topic(text) + (hasName(text, 'female') ? 1 : 0);
    const { section, logs, asked } = await audit({ rows, model });
    const values = valuesOf(section);
    expect(values).toMatchObject({ rows: 0, rowsWithNames: 0, probeRows: 50 });
    expect(Object.keys(values).filter((name) => !name.startsWith('probe'))).toEqual(['rows', 'rowsWithNames']);
    expect(values['probeMeanDelta']).toBeGreaterThan(0.1);
    expect(values['probeControlMeanAbsDelta']).toBe(0);
    expect(Object.values(values).every(Number.isFinite)).toBe(true);
    expect(logs).toEqual([
      expect.objectContaining({
        level: 'warn',
        message: 'No row of the test split has a first name of "female", "male": only made-up greetings are measured',
      }),
    ]);
    expect(section.method).toContain('50 rows got a made-up greeting, "Dear {name},"');
    // Behind the header lines of a mail.
    for (const text of asked.model)
      expect(text).toMatch(/^Subject: x\nFrom: y\n\nDear [A-Z][a-z]+,\n\nNumber \d+: nothing\.$/);
    expect(section.figures).toHaveProperty('probeDelta');
    expect(section.samples!.every(({ kind }) => kind === 'probe')).toBe(true);
  });

  it('some: both are measured, apart', async () => {
    const { section, logs } = await audit({
      rows: [...rows, ...namedRows(5)],
      model: topic,
      options: { probeRows: 10 },
    });
    expect(valuesOf(section)).toMatchObject({ rows: 5, probeRows: 10, flipRate: 0, probeFlipRate: 0 });
    expect(logs).toMatchObject([
      { message: 'Only 5 rows of the test split have first names: made-up greetings are measured as well' },
    ]);
  });

  it('enough, or as many as asked for: no greetings', async () => {
    expect(valuesOf((await audit({ rows: namedRows(30), model: topic })).section)).not.toHaveProperty('probeRows');
    const { section } = await audit({ rows: [...rows, ...namedRows(5)], model: topic, options: { minRows: 5 } });
    expect(valuesOf(section)).not.toHaveProperty('probeRows');
  });

  it('takes the greeting from the options', async () => {
    const plain = rows.map(() => ({ text: 'Nothing.' }));
    const { asked } = await audit({ rows: plain, model: topic, options: { probeTemplate: '{name}! Hi!' } });
    for (const text of asked.model) expect(text).toMatch(/^[A-Z][a-z]+! Hi!\n\nNothing\.$/);
  });
});

describe('names that are put in', () => {
  const rows = namedRows(60).map((row, i) => ({
    ...row,
    text: (row['text'] as string).replace(/Number/, `Nr ${i} Number`),
  }));
  const many = {
    female: [...GROUPS.female, 'Ilona', 'Jolanda', 'Kassandra'],
    male: [...GROUPS.male, 'Ivo', 'Jodok', 'Kuno'],
  };

  it('are those of the data where there are enough, else all', async () => {
    const seen = [...many.female.slice(0, 10), ...many.male.slice(0, 10)].map((name) => ({ text: `so ${name} left` }));
    const wanted = (asked: readonly string[]) => asked.some((text) => /Kassandra|Kuno/.test(text));
    const all = await audit({ rows, model: topic, options: { groups: many } });
    expect(wanted(all.asked.model)).toBe(true);
    const some = await audit({ rows: [...rows, ...seen], model: topic, options: { groups: many } });
    expect(wanted(some.asked.model)).toBe(false);
    const listed = await audit({
      rows: [...rows, ...seen],
      model: topic,
      options: { groups: many, replacements: 'listed' },
    });
    expect(wanted(listed.asked.model)).toBe(true);
  });

  it('are swapped only where the model reads', async () => {
    const { asked } = await audit({
      rows: [{ text: 'See Arila and Belona' }, ...namedRows(30)],
      model: topic,
      options: { maxCharacters: 12 },
    });
    expect(asked.model.filter((text) => text.endsWith(' and Belona'))).toHaveLength(1 + 2 * 4);
  });
});
