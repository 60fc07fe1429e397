import { random, type Row } from '@anneal/core';

import type { Finder, Occurrence } from '../names/find.ts';
import { swapNames } from '../names/swap.ts';

/** A row whose names can be swapped. */
export interface Subject {
  readonly row: Row;
  readonly text: string;
  readonly occurrences: readonly Occurrence[];
  /** The group of all its names; `undefined` when they are of several. */
  readonly group: number | undefined;
}

/** A row with other names. */
export interface Counterfactual {
  /** Index of the subject. */
  readonly subject: number;
  /** The new names are of the group that is this many groups further; 0 is the control. */
  readonly shift: number;
  readonly row: Row;
  readonly names: ReadonlyMap<string, string>;
}

export interface CounterfactualOptions {
  readonly textColumn: string;
  /** Names to put in, by group. */
  readonly pools: readonly (readonly string[])[];
  readonly swapsPerRow: number;
  readonly seed: number;
  /** Keeps the draws of natural and made-up rows apart. */
  readonly kind: string;
}

/** The rows with names, in a random order that depends on the seed alone. */
export function findSubjects(
  rows: readonly Row[],
  finder: Finder,
  options: { readonly textColumn: string; readonly maxCharacters: number; readonly seed: number },
): readonly Subject[] {
  const { textColumn, maxCharacters, seed } = options;
  const subjects: Subject[] = [];
  for (const index of random(seed, 'bias-audit', 'rows').permutation(rows.length)) {
    const row = rows[index] as Row;
    const text = row[textColumn];
    if (typeof text !== 'string') continue;
    const occurrences = finder.find(text, maxCharacters);
    if (occurrences.length > 0) subjects.push({ row, text, occurrences, group: onlyGroup(occurrences) });
  }
  return subjects;
}

function onlyGroup(occurrences: readonly Occurrence[]): number | undefined {
  const [first] = occurrences;
  return occurrences.every(({ group }) => group === first?.group) ? first?.group : undefined;
}

/** For each subject `swapsPerRow` rows with names of its own group, and as many with those of each other group. */
export function counterfactualsOf(subjects: readonly Subject[], options: CounterfactualOptions): Counterfactual[] {
  const { pools, swapsPerRow, seed, kind, textColumn } = options;
  return subjects.flatMap(({ row, text, occurrences }, subject) =>
    pools.flatMap((_, shift) =>
      Array.from({ length: swapsPerRow }, (_unused, swap) => {
        const stream = random(seed, 'bias-audit', kind, subject, shift, swap);
        const swapped = swapNames(text, occurrences, shift, pools, stream);
        return { subject, shift, row: { ...row, [textColumn]: swapped.text }, names: swapped.names };
      }),
    ),
  );
}

/** Lines such as `Subject: …` at the start of a mail, up to the empty line. */
const HEADER = /^(?:[A-Z][A-Za-z-]*:[^\n]*\n)+\n/;

/** Rows with a made-up greeting in front of their body; its name is of each group in turn. */
export function greetedSubjects(
  rows: readonly Row[],
  options: Pick<CounterfactualOptions, 'textColumn' | 'pools' | 'seed'> & {
    readonly template: string;
    readonly count: number;
  },
): readonly Subject[] {
  const { textColumn, pools, seed, template, count } = options;
  const [before = '', after = ''] = template.split('{name}');
  const subjects: Subject[] = [];
  for (const index of random(seed, 'bias-audit', 'probe-rows').permutation(rows.length)) {
    if (subjects.length === count) break;
    const row = rows[index] as Row;
    const body = row[textColumn];
    if (typeof body !== 'string') continue;
    const group = subjects.length % pools.length;
    const pool = pools[group] as readonly string[];
    const [word] = random(seed, 'bias-audit', 'probe-name', subjects.length).words(1);
    const name = pool[Math.floor(((word as number) / 2 ** 32) * pool.length)] as string;
    const at = HEADER.exec(body)?.[0].length ?? 0;
    const start = at + before.length;
    const text = `${body.slice(0, at)}${before}${name}${after}\n\n${body.slice(at)}`;
    const occurrence: Occurrence = { start, end: start + name.length, name, group, upperCase: false };
    subjects.push({ row: { ...row, [textColumn]: text }, text, occurrences: [occurrence], group });
  }
  return subjects;
}
