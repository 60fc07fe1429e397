import type { RunEvent } from '@anneal/core';

import { duration, quality } from '../ui/numbers.ts';
import type { Style } from '../ui/style.ts';
import { clean, oneLine, padEnd, wrap } from '../ui/text.ts';

export interface LineOptions {
  readonly style: Style;
  /** Shows log lines of level `debug`. */
  readonly debug: boolean;
  /** Shows warnings and errors only. */
  readonly quiet: boolean;
  /** Columns at which text is broken; it is not when absent. */
  readonly width?: (() => number) | undefined;
}

/** Columns of stage and phase, so that lines of a usual run stand under each other. */
const STAGE_WIDTH = 8;
const PHASE_WIDTH = 10;

/** `base     train    `. */
export const phaseName = (stage: string, phase: string): string =>
  `${padEnd(oneLine(stage), STAGE_WIDTH)} ${padEnd(phase, PHASE_WIDTH)}`;

/** The line that an event leaves behind, if any. */
export function lineOf(event: RunEvent, { style, debug, quiet, width }: LineOptions): string | undefined {
  const broken = (text: string, indent: number): string =>
    width === undefined
      ? text
      : text
          .split('\n')
          .map((line) => wrap(line, width(), indent))
          .join('\n');
  if (event.type === 'log') {
    const { level, message, tag } = event.entry;
    const text = `${tag === undefined ? '' : `${clean(tag)}: `}${clean(message)}`;
    if (level === 'error') return `${style.red('✗')} ${broken(text, 2)}`;
    if (level === 'warn') return `${style.yellow('!')} ${broken(text, 2)}`;
    if (quiet || (level === 'debug' && !debug)) return undefined;
    return style.dim(broken(`  ${text}`, 4));
  }
  if (quiet) return undefined;
  if (event.type === 'phase-end') {
    const time = event.cached ? style.dim('cached') : duration(event.seconds);
    return `${style.green('✓')} ${phaseName(event.stage, event.phase)} ${time}`;
  }
  if (event.type === 'metrics') {
    const values = Object.entries(event.metrics).map(([name, { value }]) => `${oneLine(name)} ${quality(value)}`);
    const text = `  ${phaseName(event.stage, oneLine(event.split))} ${values.join(', ')}`;
    return style.dim(broken(text, STAGE_WIDTH + PHASE_WIDTH + 4));
  }
  return undefined;
}
