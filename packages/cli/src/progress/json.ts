import type { RunEvent } from '@anneal/core';

import type { Out } from '../io.ts';
import type { Reporter } from './types.ts';

/** One JSON object per line on stdout; notes for people go to stderr. */
export function jsonReporter(stdout: Out, stderr: Out): Reporter {
  return {
    event(event: RunEvent) {
      stdout.write(`${JSON.stringify(event)}\n`);
    },
    note(text) {
      stderr.write(`${text}\n`);
    },
    close() {},
  };
}
