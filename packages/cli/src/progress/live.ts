import type { RunEvent } from '@anneal/core';

import type { Out } from '../io.ts';
import { clock } from '../ui/numbers.ts';
import { widthOf } from '../ui/text.ts';
import { drawBar } from './draw.ts';
import { lineOf, type LineOptions, phaseName } from './lines.ts';
import { ProgressState } from './state.ts';
import type { Reporter } from './types.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** Terminals that know these show everything between them at once; the others ignore them. */
const BEGIN = '\u001b[?2026h';
const END = '\u001b[?2026l';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const MAX_LABEL = 28;

/**
 * Progress on a terminal: finished phases and log lines scroll by, the running phase and its bars stay at the bottom.
 * One write per frame, each line cleared only behind its end: nothing flickers.
 */
export function liveReporter(
  out: Out,
  options: LineOptions,
  now: () => number = () => performance.now() / 1000,
): Reporter {
  const state = new ProgressState(now);
  const { style } = options;
  let drawn: readonly string[] = [];
  let pending: string[] = [];
  let frame = 0;
  let hidden = false;

  const size = (): { columns: number; rows: number } => ({ columns: out.columns ?? 80, rows: out.rows ?? 24 });

  const lines = (): readonly string[] => {
    const { columns, rows } = size();
    const width = columns - 1;
    const phase = state.phase();
    const bars = state.bars();
    const labels = Math.min(MAX_LABEL, Math.max(0, ...bars.map(({ label }) => widthOf(label))));
    const head =
      phase === undefined
        ? []
        : [
            `${style.cyan(FRAMES[frame % FRAMES.length] ?? '')} ${phaseName(phase.stage, phase.phase)} ${style.dim(clock(phase.seconds))}`,
          ];
    const all = [...head, ...bars.map((bar) => drawBar(bar, labels, width, style))];
    // A region as high as the terminal would scroll, and could not be drawn over.
    return all.slice(0, Math.max(1, rows - 1)).filter((line) => widthOf(line) <= width);
  };

  /** Rows that the last frame takes now: a terminal that became narrower has wrapped its lines. */
  const height = (): number =>
    drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / size().columns)), 0);

  const draw = (next: readonly string[]): void => {
    if (pending.length === 0 && next.length === 0 && drawn.length === 0) return;
    const up = height();
    const text = [...pending, ...next].map((line) => `${line}${CLEAR_LINE}\n`).join('');
    const cursor = hidden ? '' : HIDE_CURSOR;
    hidden = true;
    out.write(`${BEGIN}${cursor}${up > 0 ? `\u001b[${up}A` : ''}\r${text}${CLEAR_BELOW}${END}`);
    pending = [];
    drawn = next;
  };

  const tick = (): void => {
    frame++;
    draw(lines());
  };
  let timer: NodeJS.Timeout | undefined = setInterval(tick, FRAME_MS);
  timer.unref();
  const resized = (): void => draw(lines());
  out.on?.('resize', resized);

  return {
    event(event: RunEvent) {
      state.event(event);
      const line = lineOf(event, { ...options, width: () => size().columns - 1 });
      if (line !== undefined) pending.push(...line.split('\n'));
    },
    note(text) {
      pending.push(...text.split('\n'));
      draw(lines());
    },
    close() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      out.off?.('resize', resized);
      draw([]);
      if (hidden) out.write(SHOW_CURSOR);
    },
  };
}
