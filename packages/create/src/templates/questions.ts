import { packageName } from '../names.ts';
import type { Answers, Question } from './types.ts';

/** Where the sample of a template goes: data of this pattern is the sample when nothing else is there. */
export const SAMPLE = 'data/*.jsonl';

export const name: Question = { flag: 'name', ask: 'Name of the project', fallback: packageName };
export const data: Question = {
  flag: 'data',
  ask: `Files with the data (JSON Lines, CSV, text …; ${SAMPLE}: a sample to start with)`,
  fallback: () => SAMPLE,
};
export const text: Question = { flag: 'text', ask: 'Column of the text', fallback: () => 'text' };
export const label: Question = { flag: 'label', ask: 'Column of the class', fallback: () => 'label' };
export const format: Question = {
  flag: 'format',
  ask: 'Language of the config',
  fallback: () => 'ts',
  choices: [
    { value: 'ts', hint: 'completion by types' },
    { value: 'json', hint: 'completion by a JSON Schema' },
  ],
};

/** The sample, unless the project has data of its own. */
export const sample = (answers: Answers): Readonly<Record<string, string>> =>
  answers.data === SAMPLE ? { 'data/texts.jsonl': 'data/texts.jsonl' } : {};

/** Options of the plugin text-data; columns that have the usual names are not named. */
export function textData(
  answers: Answers,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const columns = {
    ...(answers.text === 'text' ? {} : { text: answers.text }),
    ...(answers.label === 'label' ? {} : { label: answers.label }),
  };
  return { sources: [{ files: answers.data }], ...(Object.keys(columns).length > 0 ? { columns } : {}), ...more };
}
