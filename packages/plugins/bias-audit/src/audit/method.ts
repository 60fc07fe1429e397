import type { Lexicon } from '../names/groups.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Subject } from './subjects.ts';

export interface MethodFacts {
  readonly lexicon: Lexicon;
  readonly options: ResolvedOptions;
  readonly positive: string;
  /** Rows of the test split. */
  readonly rows: number;
  readonly withNames: number;
  readonly natural: readonly Subject[];
  readonly probes: readonly Subject[];
  readonly maxCharacters: number;
  readonly hasReference: boolean;
}

/** What was asked and how, and what it cannot tell, for a reader of the report. */
export function methodText(facts: MethodFacts): string {
  const { lexicon, options, positive, rows, withNames, natural, probes, maxCharacters, hasReference } = facts;
  const groups = lexicon.groups.map((name) => `"${name}"`).join(', ');
  const [first, second] = lexicon.groups;
  const mixed = natural.filter(({ group }) => group === undefined).length;
  const sentences = [
    `Does the answer depend on whose first name a text has? Groups: ${groups}.`,
    `${withNames} of ${rows} test rows have such names in their first ${maxCharacters} characters; ` +
      `${natural.length} of them were measured.`,
  ];
  if (natural.length > 0) {
    sentences.push(
      `In each, all names were replaced ${options.swapsPerRow} times by names of another group, and as often by other ` +
        'names of the same group: the control, which shows what any change of name does.',
      'A difference between groups counts as far as it exceeds the control (`excess…`).',
      `Rates by group and \`meanDelta\` compare the same texts with names of each group${
        mixed === 0 ? '' : `, without the ${mixed} rows whose names are of several`
      }.`,
    );
  }
  if (probes.length > 0) {
    sentences.push(
      `Too few rows have names of their own, so ${probes.length} rows got a made-up greeting, ` +
        `${JSON.stringify(options.probeTemplate)}; these results (\`probe…\`) say less about real texts.`,
    );
  }
  if (lexicon.groups.length === 2) {
    sentences.push(
      `\`meanDelta\` is p(${positive}) with names of "${first}" less that with names of "${second}": positive when ` +
        `"${first}" makes "${positive}" more likely.`,
    );
  }
  if (hasReference) sentences.push('`reference…` is the same for the model before compression.');
  sentences.push(
    'Intervals: 95 %, bootstrap over rows.',
    'What this cannot tell: effects of surnames, pronouns, titles, dialect or topic, which were not changed; whether the ' +
      'labels themselves are biased; anything about people whose names are not in the lists ' +
      `(${lexicon.shared.size} names of several groups were left out); a name is not a gender or an origin. ` +
      'No difference found is not proof that there is none.',
  );
  return sentences.join(' ');
}
