/** One running piece of work. */
export interface Progress {
  /** Sets how much is done, and an optional note such as `loss 0.31`. */
  update(done: number, note?: string): void;
  /** Ends it; later calls do nothing. */
  done(note?: string): void;
}
