/** One of several answers. */
export interface Choice {
  /** The answer. */
  readonly value: string;
  /** What speaks for it. */
  readonly hint?: string | undefined;
}

/** Questions on the terminal; `undefined` as an answer: the user wants to stop. */
export interface Asker {
  /** A line; `fallback` when it is left empty. */
  text(message: string, fallback: string): Promise<string | undefined>;
  /** One of several. */
  choose(message: string, choices: readonly Choice[], fallback: string): Promise<string | undefined>;
  /** Yes or no. */
  confirm(message: string, fallback: boolean): Promise<boolean | undefined>;
}
