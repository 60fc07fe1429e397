import { AnnealError } from '../errors/error.ts';
import { throwAll } from '../errors/throw-all.ts';
import type { Logger } from '../observe/logger.ts';
import type { Deprecation } from './types.ts';

/** Where a deprecated thing was used. */
export interface Use {
  readonly plugin: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly file?: string | undefined;
  readonly hook?: string | undefined;
}

/** Tells of each deprecated thing once; all of them are errors when they are not to be used at all. */
export class Deprecations {
  readonly #logger: Logger;
  readonly #strict: boolean;
  readonly #seen = new Set<string>();
  readonly #errors: AnnealError[] = [];
  #collecting = true;

  constructor(logger: Logger, strict: boolean) {
    this.#logger = logger;
    this.#strict = strict;
  }

  /** @param what begins a sentence: ``Option `alpha` `` */
  note(what: string, { since, use }: Deprecation, used: Use): void {
    const id = `${used.plugin}\0${what}`;
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    if (!this.#strict) {
      this.#logger.child(used.plugin).warn(`${what} is deprecated since ${since}, use ${use}`);
      return;
    }
    const start = what.charAt(0).toLowerCase() + what.slice(1);
    const error = new AnnealError('ANNEAL_E_DEPRECATED', `${start} is deprecated since ${since}`, {
      ...used,
      fix: `use ${use}`,
    });
    if (!this.#collecting) throw error;
    this.#errors.push(error);
  }

  /** Setting up is over: what was collected is thrown together, and what comes later at once. */
  settle(): void {
    this.#collecting = false;
    throwAll(this.#errors);
  }
}
