const PAGE = 4096;
const GRAIN = 256;
const FIRST_REGION = 2 ** 20;
const LARGEST_STEP = 2 ** 30;
const MAX_DEAD = 128 * 2 ** 20;

/** A part of a region. */
export interface Chunk {
  readonly region: number;
  start: number;
  size: number;
  free: boolean;
  before: Chunk | undefined;
  after: Chunk | undefined;
}

/**
 * ONNX Runtime's CPU arena: it grows by regions of doubling size, gives the smallest free chunk that is large enough,
 * splits it only when half of it or 128 MiB would be left, and returns nothing to the system. A page of a region counts
 * once something was written there.
 *
 * Source: `BFCArena`, onnxruntime 1.30, with the default configuration.
 */
export class Arena {
  /** Bytes of pages that were ever written. */
  touchedBytes = 0;
  readonly #regions: Uint8Array[] = [];
  readonly #free = new Set<Chunk>();
  #nextRegion = FIRST_REGION;

  /** A chunk for `bytes` that are all written. */
  allocate(bytes: number): Chunk | undefined {
    if (bytes === 0) return undefined;
    const size = GRAIN * Math.ceil(bytes / GRAIN);
    let best: Chunk | undefined;
    for (const chunk of this.#free) if (chunk.size >= size && comesFirst(chunk, best)) best = chunk;
    const chunk = best ?? this.#extend(size);
    this.#free.delete(chunk);
    if (chunk.size >= 2 * size || chunk.size - size >= MAX_DEAD) this.#split(chunk, size);
    chunk.free = false;
    this.#touch(chunk, bytes);
    return chunk;
  }

  free(chunk: Chunk | undefined): void {
    if (chunk === undefined) return;
    chunk.free = true;
    const { before, after } = chunk;
    if (after?.free) this.#merge(chunk, after);
    if (before?.free) this.#merge(before, chunk);
    this.#free.add(before?.free ? before : chunk);
  }

  #extend(size: number): Chunk {
    const enough = this.#nextRegion >= size;
    while (this.#nextRegion < size) this.#nextRegion *= 2;
    const bytes = this.#nextRegion;
    if (enough && bytes < LARGEST_STEP) this.#nextRegion *= 2;
    this.#regions.push(new Uint8Array(Math.ceil(bytes / PAGE)));
    const region = this.#regions.length - 1;
    return { region, start: 0, size: bytes, free: true, before: undefined, after: undefined };
  }

  #split(chunk: Chunk, size: number): void {
    const { region, start, after } = chunk;
    const rest: Chunk = { region, start: start + size, size: chunk.size - size, free: true, before: chunk, after };
    if (after) after.before = rest;
    chunk.after = rest;
    chunk.size = size;
    this.#free.add(rest);
  }

  /** Adds `second` to `first`, its neighbour. */
  #merge(first: Chunk, second: Chunk): void {
    this.#free.delete(second);
    first.size += second.size;
    first.after = second.after;
    if (second.after) second.after.before = first;
  }

  #touch({ region, start }: Chunk, bytes: number): void {
    const pages = this.#regions[region] as Uint8Array;
    const end = Math.ceil((start + bytes) / PAGE);
    for (let page = Math.floor(start / PAGE); page < end; page++) {
      if (pages[page] === 1) continue;
      pages[page] = 1;
      this.touchedBytes += PAGE;
    }
  }
}

function comesFirst(a: Chunk, b: Chunk | undefined): boolean {
  if (b === undefined) return true;
  return a.size - b.size < 0 || (a.size === b.size && (a.region - b.region || a.start - b.start) < 0);
}
