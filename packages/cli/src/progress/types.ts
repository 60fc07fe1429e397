import type { RunEvent } from '@anneal/core';

/** Shows a run while it goes on. */
export interface Reporter {
  event(event: RunEvent): void;
  /** A line of the command itself. */
  note(text: string): void;
  /** Leaves the terminal as it was; may be called twice. */
  close(): void;
}
