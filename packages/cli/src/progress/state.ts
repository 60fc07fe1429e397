import type { PhaseName, RunEvent } from '@anneal/core';

/** Seconds over which a rate is measured. */
const WINDOW = 12;
/** Points kept within the window. */
const MAX_POINTS = 64;

/** One running piece of work. */
export interface Bar {
  readonly label: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly note: string | undefined;
  /** Seconds since it began. */
  readonly since: number;
  /** Units per second of late; `undefined` until there are two points. */
  readonly rate: number | undefined;
  /** Seconds left; `undefined` when that cannot be told. */
  readonly eta: number | undefined;
}

interface Track {
  label: string;
  done: number;
  total: number | undefined;
  note: string | undefined;
  start: number;
  /** Of the last event. */
  time: number;
  points: [time: number, done: number][];
}

/**
 * Units per second over the window. Until the next event is due the clock stands still; work that has come to a halt
 * becomes slower and slower.
 */
function rateOf({ done, time, points }: Track, now: number): number | undefined {
  const [from, first] = points[0] ?? [now, done];
  if (time - from < 0.5 || done <= first) return undefined;
  const usual = (time - from) / Math.max(1, points.length - 1);
  return (done - first) / Math.max(time - from, now - from - usual);
}

/** What is going on in a run, from its events. Times are in seconds of the given clock. */
export class ProgressState {
  readonly #now: () => number;
  readonly #bars = new Map<number, Track>();
  #phase: { stage: string; phase: PhaseName; start: number } | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  event(event: RunEvent): void {
    const now = this.#now();
    if (event.type === 'phase-start') this.#phase = { stage: event.stage, phase: event.phase, start: now };
    if (event.type === 'phase-end') {
      this.#phase = undefined;
      // What a phase left open is over with it.
      this.#bars.clear();
    }
    if (event.type !== 'progress') return;
    if (event.finished) {
      this.#bars.delete(event.id);
      return;
    }
    const { label, done, total, note } = event;
    const track = this.#bars.get(event.id) ?? { label, done, total, note, start: now, time: now, points: [] };
    Object.assign(track, { label, done, total, note: note ?? track.note, time: now });
    const last = track.points.at(-1);
    if (last === undefined || now - last[0] >= WINDOW / MAX_POINTS) track.points.push([now, done]);
    while (track.points.length > 2 && now - (track.points[1]?.[0] ?? now) > WINDOW) track.points.shift();
    this.#bars.set(event.id, track);
  }

  /** The running phase with the seconds since it began. */
  phase(): { readonly stage: string; readonly phase: PhaseName; readonly seconds: number } | undefined {
    if (this.#phase === undefined) return undefined;
    const { stage, phase, start } = this.#phase;
    return { stage, phase, seconds: this.#now() - start };
  }

  bars(): readonly Bar[] {
    const now = this.#now();
    return [...this.#bars.values()].map((track) => {
      const { label, done, total, note, start } = track;
      const rate = rateOf(track, now);
      const eta = rate !== undefined && total !== undefined && total >= done ? (total - done) / rate : undefined;
      return { label, done, total, note, since: now - start, rate, eta };
    });
  }
}
