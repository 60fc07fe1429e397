import type { MemoryPlan } from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import { bytes } from '../report/format.ts';

/** Where the memory of a training goes, in bytes. */
export interface MemoryParts extends MemoryPlan {
  /** What the process has before: the runtime of JavaScript, the data, the model. */
  readonly process: number;
  /** Copies of the state for checkpoints, and of the best weights. */
  readonly copies: number;
}

/** What training was predicted to take, what it took, and how it stayed within its limit. */
export interface MemoryReport {
  /** Predicted before training; `undefined` where the backend cannot. */
  readonly predicted: (MemoryParts & { readonly total: number }) | undefined;
  /** Most that the process had in memory until the end of training, where that is known. */
  readonly peakRssBytes: number | undefined;
  /** Most rows that a program took at once. */
  readonly microBatchSize: number;
  /** Whether blocks were computed again in the backward pass. */
  readonly gradientCheckpointing: boolean;
}

/** A way to run steps. All have the same gradients up to rounding. */
export type MemoryChoice = Pick<MemoryReport, 'microBatchSize' | 'gradientCheckpointing'>;

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes of `4 GB`, `512MiB`; `undefined` when it is no size. */
export function parseBytes(size: number | string): number | undefined {
  if (typeof size === 'number') return size;
  const [, amount = '', unit = ''] = /^\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?i?b)\s*$/i.exec(size) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  const found = factor === undefined ? 0 : Math.floor(Number(amount) * factor);
  return found > 0 ? found : undefined;
}

/** Predictions of `benchmarks/memory.ts` are up to 5 % too low. */
const MARGIN = 1.05;
/** Time that computing blocks again adds to a step: one more forward pass. */
const RECOMPUTE = 4 / 3;
/** So many positions cost the time of one run over none: smaller products do not fill the kernels. */
const IDLE_POSITIONS = 32;

/**
 * Ways to take batches of `rows` rows of `length` positions, fastest first: in one run or in halves of halves, keeping
 * what the blocks compute or computing it again.
 */
export function memoryChoices(
  rows: number,
  length: number | undefined,
  gradientCheckpointing: boolean,
): readonly MemoryChoice[] {
  const sizes = new Set<number>();
  for (let parts = 1; ; parts *= 2) {
    sizes.add(Math.ceil(rows / parts));
    if (parts >= rows) break;
  }
  const time = ({ microBatchSize, gradientCheckpointing: again }: MemoryChoice): number =>
    (again ? RECOMPUTE : 1) * (1 + IDLE_POSITIONS / (microBatchSize * (length ?? 1)));
  const kinds = gradientCheckpointing ? [true] : [false, true];
  return kinds
    .flatMap((again) => [...sizes].map((size) => ({ microBatchSize: size, gradientCheckpointing: again })))
    .sort((a, b) => time(a) - time(b));
}

export interface Limit {
  readonly maxBytes: number;
  readonly stage: string;
  /** Longest sequence of the data. */
  readonly length: number | undefined;
}

/**
 * The first choice that fits.
 *
 * @throws AnnealError `ANNEAL_E_MEMORY` when none does
 */
export function chooseMemory(
  choices: readonly MemoryChoice[],
  predict: (choice: MemoryChoice) => MemoryParts,
  { maxBytes, stage, length }: Limit,
): { readonly choice: MemoryChoice; readonly parts: MemoryParts } {
  let least: MemoryParts | undefined;
  for (const choice of choices) {
    const parts = predict(choice);
    if (MARGIN * totalOf(parts) <= maxBytes) return { choice, parts };
    if (least === undefined || totalOf(parts) < totalOf(least)) least = parts;
  }
  if (least === undefined) throw new Error('no choices');
  const shorter = length === undefined ? '' : `, lower \`train.maxLength\` (the longest batch has ${length} positions)`;
  throw new AnnealError(
    'ANNEAL_E_MEMORY',
    `training of stage \`${stage}\` does not fit into ${bytes(maxBytes)}: row by row and with blocks computed again it takes ${describeMemory(least)}`,
    {
      path: ['stages', stage, 'train', 'maxMemory'],
      fix: `allow more${shorter}, train adapters instead of all weights (@anneal/plugin-lora), or take a smaller model`,
    },
  );
}

export function totalOf({ process, weights, state, activations, programs, copies }: MemoryParts): number {
  return process + weights + state + activations + programs + copies;
}

/** `1.2 GB (process 180 MB, weights …)`. */
export function describeMemory(parts: MemoryParts): string {
  const { process, weights, state, activations, programs, copies } = parts;
  const named = Object.entries({ process, weights, state, activations, programs, copies });
  const shown = named.filter(([, size]) => size > 0).map(([name, size]) => `${name} ${bytes(size)}`);
  return `${bytes(totalOf(parts))} (${shown.join(', ')})`;
}
