import type { Asker, Choice } from './asker.ts';
import { CreateError } from './error.ts';
import { ANSWER_FLAGS, type AnswerFlag, TEMPLATE_NAMES, type TemplateName } from './flags.ts';
import { TEMPLATES } from './templates/index.ts';
import type { Answers, Question } from './templates/types.ts';

/** The user does not want to go on. */
export class Cancelled extends Error {}

/** What answers questions. */
export interface InterviewOptions {
  /** Base name of the folder. */
  readonly folder: string;
  /** What a flag says. */
  flag(name: AnswerFlag): string | undefined;
  /** `undefined`: flags and defaults answer everything. */
  readonly asker: Asker | undefined;
}

/** The question which template is one as well. */
type AnyQuestion = Omit<Question, 'flag'> & { readonly flag: AnswerFlag };

const TEMPLATE: AnyQuestion & { readonly choices: readonly Choice[] } = {
  flag: 'template',
  ask: 'What is to be built?',
  fallback: () => TEMPLATE_NAMES[0] as TemplateName,
  choices: TEMPLATE_NAMES.map((value) => ({ value, hint: TEMPLATES[value].about })),
};

/** @throws CreateError for a value that is none of the choices; {@link Cancelled} */
async function answerTo({ flag, ask, fallback, choices }: AnyQuestion, options: InterviewOptions): Promise<string> {
  const given = options.flag(flag);
  const otherwise = fallback(options.folder);
  if (given === undefined) {
    const { asker } = options;
    if (asker === undefined) return otherwise;
    const answer = await (choices === undefined ? asker.text(ask, otherwise) : asker.choose(ask, choices, otherwise));
    if (answer === undefined) throw new Cancelled();
    return answer;
  }
  const known = choices?.map(({ value }) => value) ?? [];
  if (known.length > 0 && !known.includes(given)) {
    throw new CreateError(`\`--${flag}\` must be one of ${known.join(', ')}, received ${JSON.stringify(given)}`, {
      fix: `use one of: ${known.join(', ')}`,
      unknown: { value: given, known },
    });
  }
  if (choices === undefined && given.trim() === '') {
    throw new CreateError(`\`--${flag}\` must be a text that is not empty`, { fix: `leave it out for the default` });
  }
  return given;
}

/**
 * The template and an answer to each of its questions. Flags answer; what they leave open is asked, or the default.
 *
 * @throws CreateError for a value that does not fit, or a flag that the template has no use for
 */
export async function interview(
  options: InterviewOptions,
): Promise<{ readonly template: TemplateName; readonly answers: Answers }> {
  const template = (await answerTo(TEMPLATE, options)) as TemplateName;
  const { questions } = TEMPLATES[template];
  const asked = new Set<string>(['template', ...questions.map(({ flag }) => flag)]);
  const idle = (Object.keys(ANSWER_FLAGS) as AnswerFlag[]).find(
    (flag) => options.flag(flag) !== undefined && !asked.has(flag),
  );
  if (idle !== undefined) {
    throw new CreateError(`the template ${template} does not have \`--${idle}\``, {
      fix: `use only: ${[...asked].map((flag) => `--${flag}`).join(', ')}`,
    });
  }
  const answers = new Map<string, string>();
  for (const question of questions) answers.set(question.flag, await answerTo(question, options));
  return { template, answers: Object.fromEntries(answers) as Answers };
}
