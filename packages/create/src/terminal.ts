import type { Asker } from './asker.ts';

export type { Asker, Choice } from './asker.ts';

/** What a terminal is known by. */
export interface Terminal {
  /** Where answers come from. */
  readonly stdin: { readonly isTTY?: boolean | undefined };
  /** Where questions go. */
  readonly stdout: { readonly isTTY?: boolean | undefined };
  /** `CI` says that nobody is there. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Loads the questions on the terminal; `undefined` where nobody would see or answer them. */
export function loadAsker({ stdin, stdout, env }: Terminal): (() => Promise<Asker>) | undefined {
  const isAttended = stdin.isTTY === true && stdout.isTTY === true && !env['CI'];
  return isAttended ? async () => (await import('./ask.ts')).clackAsker : undefined;
}
