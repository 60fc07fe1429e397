import * as clack from '@clack/prompts';

import type { Asker } from './asker.ts';

/** An answer, or `undefined` for Ctrl-C. */
const answer = <T>(value: T): Exclude<T, symbol> | undefined =>
  clack.isCancel(value) ? undefined : (value as Exclude<T, symbol>);

/** Questions on the real terminal. */
export const clackAsker: Asker = {
  async text(message, fallback) {
    const value = answer(await clack.text({ message, placeholder: fallback, defaultValue: fallback }));
    return value === '' ? fallback : value;
  },
  async choose(message, choices, fallback) {
    const options = choices.map(({ value, hint }) => ({
      value,
      label: value,
      ...(hint === undefined ? {} : { hint }),
    }));
    return answer(await clack.select({ message, options, initialValue: fallback }));
  },
  async confirm(message, fallback) {
    return answer(await clack.confirm({ message, initialValue: fallback }));
  },
};
