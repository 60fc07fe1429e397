import type { RunEvent } from '@anneal/core';

import { duration, quality } from '../ui/numbers.ts';
import type { Style } from '../ui/style.ts';
import { clean, oneLine, padEnd } from '../ui/text.ts';

export interface LineOptions {
  readonly style: Style;
  /** Shows log lines of level `debug`. */
  readonly debug: boolean;
  /** Shows warnings and errors only. */
  readonly quiet: boolean;
}

/** Columns of stage and phase, so that lines of a usual run stand under each other. */
const STAGE_WIDTH = 8;
const PHASE_WIDTH = 9;

/** `base     train    `. */
export const phaseName = (stage: string, phase: string): string =>
  `${padEnd(oneLine(stage), STAGE_WIDTH)} ${padEnd(phase, PHASE_WIDTH)}`;

/** The line that an event leaves behind, if any. */
export function lineOf(event: RunEvent, { style, debug, quiet }: LineOptions): string | undefined {
  if (event.type === 'log') {
    const { level, message, tag } = event.entry;
    const text = `${tag === undefined ? '' : `${clean(tag)}: `}${clean(message)}`;
    if (level === 'error') return `${style.red('✗')} ${text}`;
    if (level === 'warn') return `${style.yellow('!')} ${text}`;
    if (quiet || (level === 'debug' && !debug)) return undefined;
    return style.dim(`  ${text}`);
  }
  if (quiet) return undefined;
  if (event.type === 'phase-end') {
    const time = event.cached ? style.dim('cached') : duration(event.seconds);
    return `${style.green('✓')} ${phaseName(event.stage, event.phase)} ${time}`;
  }
  if (event.type === 'metrics') {
    const values = Object.entries(event.metrics).map(([name, { value }]) => `${oneLine(name)} ${quality(value)}`);
    return style.dim(`  ${phaseName(event.stage, oneLine(event.split))} ${values.join(', ')}`);
  }
  return undefined;
}
