import { type Dataset, definePlugin, type PluginFactory, type Row } from '@anneal/core';
import * as v from 'valibot';

import { seededRandom } from '../seeded.ts';

/** Words that a class prefers, and words of both. */
const WORDS: Readonly<Record<'ham' | 'spam' | 'both', readonly string[]>> = {
  ham: ['meeting', 'report', 'lunch', 'project', 'notes', 'agenda'],
  spam: ['win', 'free', 'prize', 'click', 'offer', 'cash'],
  both: ['dear', 'anna', 'maria', 'john', 'peter', 'the', 'a', 'we', 'you', 'now', 'today', 'please', 'for', 'your'],
};
/** Classes of {@link tinyTexts}, in order. */
export const TINY_LABELS: readonly ['ham', 'spam'] = ['ham', 'spam'];
/** Every word that {@link texts} uses. */
export const TINY_WORDS: readonly string[] = [...WORDS.both, ...WORDS.ham, ...WORDS.spam];

/** Short texts of two classes in turn: `{ id, text, label }`. */
export function texts(count: number, seed: number = 0): readonly Row[] {
  const next = seededRandom(seed);
  const pick = (words: readonly string[]): string => words[Math.floor(next() * words.length)] as string;
  return Array.from({ length: count }, (_, i) => {
    const label = TINY_LABELS[i % 2] as 'ham' | 'spam';
    const words = Array.from({ length: 3 + Math.floor(next() * 6) }, (__, at) =>
      pick(at % 2 === 1 ? WORDS[label] : WORDS.both),
    );
    return { id: `${seed}-${i}`, text: words.join(' '), label };
  });
}

/** Options of {@link tinyTexts}: rows by split. */
export interface TinyTextsOptions {
  /** @defaultValue `16` */
  train?: number | undefined;
  /** @defaultValue `6` */
  validation?: number | undefined;
  /** @defaultValue `6` */
  test?: number | undefined;
}

const rows = (split: string): v.GenericSchema<number> =>
  v.pipe(v.number(), v.integer(), v.minValue(1), v.description(`Rows of the ${split} split.`));

/** Made-up texts of two classes. Answers `data.resolveDataset`; rows have `id`, `text` and `label`. */
export const tinyTexts: PluginFactory<TinyTextsOptions> = definePlugin({
  name: 'tiny-texts',
  options: v.strictObject({
    train: v.optional(rows('training'), 16),
    validation: v.optional(rows('validation'), 6),
    test: v.optional(rows('test'), 6),
  }),
  setup(api, sizes) {
    api.hooks.data.resolveDataset.tap((): Dataset => {
      const splits = Object.fromEntries(
        Object.entries(sizes).map(([name, count], i) => [name, texts(count, 1 + 10 * api.seed + i)]),
      );
      const rowsIn = Object.values(sizes).reduce((a, b) => a + b, 0);
      return { splits, report: { rowsIn, dropped: {}, samples: [], splits: sizes } };
    });
  },
});
