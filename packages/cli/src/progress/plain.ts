import type { RunEvent } from '@anneal/core';

import type { Out } from '../io.ts';
import { clock } from '../ui/numbers.ts';
import { oneLine } from '../ui/text.ts';
import { amount, percent, rateText } from './draw.ts';
import { lineOf, type LineOptions, phaseName } from './lines.ts';
import { ProgressState } from './state.ts';
import type { Reporter } from './types.ts';

/** Seconds between two lines about the same work. */
const EVERY = 5;

/** Progress as lines, for logs and pipes: what begins, what ends, and every few seconds how far it is. */
export function plainReporter(
  out: Out,
  options: LineOptions,
  now: () => number = () => performance.now() / 1000,
): Reporter {
  const state = new ProgressState(now);
  const write = (line: string): void => {
    out.write(`${line}\n`);
  };
  let next = now() + EVERY;

  const progress = (): void => {
    if (options.quiet || now() < next) return;
    next = now() + EVERY;
    for (const bar of state.bars()) {
      const eta = bar.eta === undefined ? '' : `${clock(bar.eta)} left`;
      const note = bar.note === undefined ? '' : oneLine(bar.note);
      const parts = [percent(bar), amount(bar), rateText(bar), eta, note].filter((part) => part !== '');
      write(`  ${oneLine(bar.label)}: ${parts.join(', ')}`);
    }
  };

  return {
    event(event: RunEvent) {
      state.event(event);
      if (event.type === 'phase-start') {
        next = now() + EVERY;
        if (!options.quiet) write(`> ${phaseName(event.stage, event.phase)}`.trimEnd());
      }
      const line = lineOf(event, options);
      if (line !== undefined) write(line);
      if (event.type === 'progress') progress();
    },
    note: write,
    close() {},
  };
}
