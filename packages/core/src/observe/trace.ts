import type { TapCall } from '../hooks/create.ts';
import type { JsonObject } from '../json.ts';
import type { RunEvent } from './events.ts';

/** A file of Chrome's Trace Event Format, which Perfetto and `chrome://tracing` open. */
export interface ChromeTrace {
  /** In the format of Chrome's trace viewer and Perfetto. */
  readonly traceEvents: readonly JsonObject[];
  /** In which unit times are shown. */
  readonly displayTimeUnit: 'ms';
}

const PROCESS = 1;
/** Track of phases; each plugin has one of its own after it. */
const PHASES = 1;

/**
 * Records what a build does as a trace: a track of phases and steps, and one for each plugin with the calls of its taps.
 *
 * ```ts
 * const trace = new Trace();
 * const pipeline = await createPipeline(config, { onCall: trace.call });
 * await pipeline.run({ onEvent: trace.event });
 * await writeFile('trace.json', JSON.stringify(trace.toJSON()));
 * ```
 */
export class Trace {
  readonly #start: number;
  readonly #events: JsonObject[] = [];
  readonly #tracks = new Map<string, number>();
  #lastStep: number | undefined;
  #spans = 0;

  constructor() {
    this.#start = performance.now();
    this.#name('process_name', PHASES, 'anneal');
    this.#name('thread_name', PHASES, 'phases');
  }

  /** A call of a tap. */
  readonly call = ({ plugin, hook, start, ms, isAsync }: TapCall): void => {
    const track = this.#trackOf(plugin);
    if (!isAsync) {
      this.#add({ name: hook, cat: plugin, ph: 'X', ...this.#span(start, start + ms), tid: track });
      return;
    }
    // Asynchronous calls overlap, which nested spans of a track must not.
    const id = ++this.#spans;
    this.#add({ name: hook, cat: plugin, ph: 'b', ts: this.#at(start), tid: track, id });
    this.#add({ name: hook, cat: plugin, ph: 'e', ts: this.#at(start + ms), tid: track, id });
  };

  /** What a run tells. */
  readonly event = (event: RunEvent): void => {
    const now = performance.now();
    if (event.type === 'phase-start') {
      this.#lastStep = undefined;
      this.#add({ name: `${event.stage}: ${event.phase}`, cat: 'phase', ph: 'B', ts: this.#at(now), tid: PHASES });
    } else if (event.type === 'phase-end') {
      const args = { cached: event.cached };
      this.#add({
        name: `${event.stage}: ${event.phase}`,
        cat: 'phase',
        ph: 'E',
        ts: this.#at(now),
        tid: PHASES,
        args,
      });
    } else if (event.type === 'step') {
      const { step, loss } = event.point;
      const start = this.#lastStep ?? now;
      this.#lastStep = now;
      const args = { step, loss: Number.isFinite(loss) ? loss : null };
      this.#add({
        name: 'step',
        cat: 'step',
        ph: 'X',
        ...this.#span(start, now),
        tid: PHASES,
        args,
      });
    }
  };

  /** The events in the order of their times. */
  toJSON(): ChromeTrace {
    const time = ({ ts }: JsonObject): number => (typeof ts === 'number' ? ts : -1);
    // Stable: of events at one time the first stays first, so that spans end in the order in which they do.
    return { traceEvents: this.#events.toSorted((a, b) => time(a) - time(b)), displayTimeUnit: 'ms' };
  }

  #trackOf(plugin: string): number {
    let track = this.#tracks.get(plugin);
    if (track === undefined) {
      track = PHASES + 1 + this.#tracks.size;
      this.#tracks.set(plugin, track);
      this.#name('thread_name', track, plugin);
    }
    return track;
  }

  #name(name: string, tid: number, text: string): void {
    this.#add({ name, ph: 'M', tid, args: { name: text } });
  }

  /** Ends where the next begins: rounded after, not before, it is a difference of times. */
  #span(start: number, end: number): { ts: number; dur: number } {
    return { ts: this.#at(start), dur: this.#at(end) - this.#at(start) };
  }

  #at(time: number): number {
    return Math.max(0, micro(time - this.#start));
  }

  #add(event: JsonObject): void {
    this.#events.push({ ...event, pid: PROCESS });
  }
}

/** Whole nanoseconds in microseconds, which is what the format counts in. */
function micro(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}
