interface Arc {
  readonly to: number;
  /** What can still flow through. */
  room: number;
  readonly back: Arc;
}

/** A network of pipes between numbered points, and the cheapest set of pipes that separates two of them. */
export class FlowNetwork {
  readonly #arcs: Arc[][] = [];

  /** A new point; its number. */
  point(): number {
    return this.#arcs.push([]) - 1;
  }

  pipe(from: number, to: number, capacity: number): void {
    const forward = { to, room: capacity } as { to: number; room: number; back: Arc };
    const back = { to: from, room: 0, back: forward };
    forward.back = back;
    (this.#arcs[from] as Arc[]).push(forward);
    (this.#arcs[to] as Arc[]).push(back);
  }

  /**
   * The points on the sink's side of the minimum cut; of several cuts the one nearest to the sink (Dinic, 1970;
   * Ford & Fulkerson, 1956, for the cut).
   */
  sinkSide(source: number, sink: number): ReadonlySet<number> {
    for (let levels = this.#levels(source, sink); levels !== undefined; levels = this.#levels(source, sink)) {
      const next = this.#arcs.map(() => 0);
      while (this.#augment(source, sink, levels, next));
    }
    const side = new Set([sink]);
    // A set is visited in the order of insertion, what is added meanwhile included.
    for (const point of side) {
      for (const { to, back } of this.#arcs[point] as Arc[]) if (back.room > 0) side.add(to);
    }
    return side;
  }

  /** Distances from the source, when the sink can still be reached. */
  #levels(source: number, sink: number): Int32Array | undefined {
    const levels = new Int32Array(this.#arcs.length).fill(-1);
    levels[source] = 0;
    const queue = [source];
    for (const point of queue) {
      for (const { to, room } of this.#arcs[point] as Arc[]) {
        if (room === 0 || levels[to] !== -1) continue;
        levels[to] = (levels[point] as number) + 1;
        queue.push(to);
      }
    }
    return levels[sink] === -1 ? undefined : levels;
  }

  /** Sends as much as fits along one shortest way; without recursion, because ways are as long as models are deep. */
  #augment(source: number, sink: number, levels: Int32Array, next: number[]): boolean {
    const way: Arc[] = [];
    for (let point = source; point !== sink; point = way.at(-1)?.to ?? source) {
      const arcs = this.#arcs[point] as Arc[];
      let at = next[point] as number;
      while (at < arcs.length) {
        const { to, room } = arcs[at] as Arc;
        if (room > 0 && levels[to] === (levels[point] as number) + 1) break;
        at++;
      }
      next[point] = at;
      if (at < arcs.length) way.push(arcs[at] as Arc);
      else if (point === source) return false;
      else {
        // A dead end: one step back, and not here again.
        const last = way.pop() as Arc;
        next[last.back.to] = (next[last.back.to] as number) + 1;
      }
    }
    const amount = way.reduce((least, { room }) => Math.min(least, room), Number.POSITIVE_INFINITY);
    for (const arc of way) {
      arc.room -= amount;
      arc.back.room += amount;
    }
    return true;
  }
}
