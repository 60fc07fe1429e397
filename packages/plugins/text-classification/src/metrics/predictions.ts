/** What a model said of the rows of a split. */
export interface Predictions {
  readonly count: number;
  readonly classes: number;
  /** The true class of each row. */
  readonly labels: Int32Array;
  /** The predicted class of each row: the first of the most probable ones. */
  readonly predicted: Int32Array;
  /** `[count, classes]`. */
  readonly probabilities: Float64Array;
  /** `-ln p(true class)` of each row, from the logits, so that it stays finite where the probability rounds to 0. */
  readonly logLosses: Float64Array;
}

/** Collects rows. Memory: a row takes `8 · classes + 16` bytes. */
export class PredictionStore {
  readonly #classes: number;
  readonly #labels: number[] = [];
  readonly #predicted: number[] = [];
  readonly #probabilities: number[] = [];
  readonly #logLosses: number[] = [];

  constructor(classes: number) {
    this.#classes = classes;
  }

  /** Adds a row by its logits, `logits[from … from + classes]`. */
  add(label: number, logits: ArrayLike<number>, from: number): void {
    const classes = this.#classes;
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if ((logits[from + k] as number) > (logits[from + best] as number)) best = k;
    }
    const top = logits[from + best] as number;
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp((logits[from + k] as number) - top);
    for (let k = 0; k < classes; k++) this.#probabilities.push(Math.exp((logits[from + k] as number) - top) / total);
    this.#labels.push(label);
    this.#predicted.push(best);
    this.#logLosses.push(Math.log(total) - ((logits[from + label] as number) - top));
  }

  get predictions(): Predictions {
    return {
      count: this.#labels.length,
      classes: this.#classes,
      labels: Int32Array.from(this.#labels),
      predicted: Int32Array.from(this.#predicted),
      probabilities: Float64Array.from(this.#probabilities),
      logLosses: Float64Array.from(this.#logLosses),
    };
  }
}
