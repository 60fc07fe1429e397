import type { Choice } from '../asker.ts';
import type { ProjectConfig } from '../config-source.ts';
import type { AnswerFlag } from '../flags.ts';

/** What flags or the user said; every question of the template has an answer. */
export type Answers = Readonly<Record<Exclude<AnswerFlag, 'template'>, string>>;

/** A question that a flag of the same name answers, too. */
export interface Question {
  readonly flag: Exclude<AnswerFlag, 'template'>;
  readonly ask: string;
  /** The answer when nobody is asked; `folder` is the base name of the new folder. */
  fallback(folder: string): string;
  readonly choices?: readonly Choice[] | undefined;
}

/** What a template gives for some answers, before it is merged with what the folder has. */
export interface Project {
  /** Name of the package. */
  readonly name: string;
  /** Texts by path. */
  readonly files: Readonly<Record<string, string>>;
  /** Files of this package's `templates` by path; placeholders are filled in by `replace`. */
  readonly copies: Readonly<Record<string, string>>;
  /** Replaced in the texts of copied files. */
  readonly replace: readonly (readonly [from: string, to: string])[];
  /** Fields of package.json when there is none yet. */
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
  /** Packages of Anneal that the project shares with whoever installs it; any version from here to 1.0. */
  readonly peers: readonly string[];
  /** Folders for .gitignore. */
  readonly ignored: readonly string[];
  /** What to run after the installation. */
  readonly next: readonly string[];
}

export interface Template {
  /** One line for the interview. */
  readonly about: string;
  readonly questions: readonly Question[];
  /** One of these in the folder: then somebody works here already. */
  readonly guards: readonly string[];
  project(answers: Answers): Project;
}

/** A template whose project is a config. */
export interface ConfigTemplate {
  readonly about: string;
  readonly questions: readonly Question[];
  config(answers: Answers): ProjectConfig;
  /** Files of `templates` by path in the project. */
  copies(answers: Answers): Readonly<Record<string, string>>;
}
