import type { TensorData } from '@anneal/graph';

export interface NamedWeight {
  readonly name: string;
  readonly data: TensorData;
}

/**
 * Finds weights by layer. Files name them `layer/kernel`, and differ in what stands before and between: the models
 * around the layer (`encoder/layer/kernel`) or the cell of a recurrent one (`lstm/lstm_cell/kernel`).
 */
export class WeightIndex {
  readonly #byLayer = new Map<string, { readonly weight: NamedWeight; readonly parts: readonly string[] }[]>();

  constructor(tensors: ReadonlyMap<string, TensorData>) {
    for (const [name, data] of tensors) {
      const parts = name.replace(/:\d+$/, '').split('/');
      const leaf = parts.pop() ?? '';
      for (const part of new Set(parts)) {
        const key = `${part}/${leaf}`;
        const entry = { weight: { name, data }, parts };
        const known = this.#byLayer.get(key);
        if (known === undefined) this.#byLayer.set(key, [entry]);
        else known.push(entry);
      }
    }
  }

  /** The weight of the innermost layer of `scope`; of several the one whose name has most of the scope, and least else. */
  find(scope: readonly string[], leaf: string): NamedWeight | undefined {
    const found = this.#byLayer.get(`${scope.at(-1) ?? ''}/${leaf}`) ?? [];
    let best: { readonly weight: NamedWeight; readonly score: number } | undefined;
    for (const { weight, parts } of found) {
      const shared = parts.filter((part) => scope.includes(part)).length;
      const score = 2 * shared - parts.length;
      if (best === undefined || score > best.score) best = { weight, score };
    }
    return best?.weight;
  }
}
