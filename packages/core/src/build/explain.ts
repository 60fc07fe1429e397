import { relative } from 'node:path';

import { explainConfig } from '../config/layers.ts';
import { originOf } from '../config/origin.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { pathText } from '../errors/show.ts';
import type { PhaseRecord } from '../node/records.ts';
import type { PhaseName } from '../observe/events.ts';
import { PART, type PhaseKey, PHASES } from './keys.ts';

/** An input of a phase that is not what it was. */
export interface Difference {
  /** Name of the stage. */
  readonly stage: string;
  /** The phase that it counts in first. */
  readonly phase: PhaseName;
  /** `config train.epochs`, `plugin points file data.csv`, `code of @anneal/core`. */
  readonly name: string;
  /** As it was; a long value is a digest. `undefined`: it was not there. */
  readonly before: string | undefined;
  /** As it is; `undefined`: it is gone. */
  readonly after: string | undefined;
  /** Where the value comes from: `anneal.config.ts`, `--set`. */
  readonly source: string | undefined;
}

/** A phase compared with what was done before. */
export interface Comparison {
  /** What the phase was compared with: the most similar. */
  readonly record: PhaseRecord;
  /** First phase first. */
  readonly differences: readonly Difference[];
}

type Keys = ReadonlyMap<string, PhaseKey>;

/**
 * The most similar of the records of a phase and how it differs; a stage is compared with itself where that is possible.
 *
 * @param keys Of all stages of the config, by key.
 */
export function compareWithRecords(
  phase: PhaseKey,
  keys: Keys,
  records: ReadonlyMap<string, PhaseRecord>,
  config: ResolvedConfig,
): Comparison | undefined {
  const all = [...records.values()].filter((record) => record.phase === phase.phase);
  const own = all.filter((record) => record.stage === phase.stage);
  let best: Comparison | undefined;
  for (const record of own.length > 0 ? own : all) {
    const found = differencesOf(phase, record, keys, records);
    const isCloser =
      best === undefined ||
      found.length < best.differences.length ||
      (found.length === best.differences.length && record.at > best.record.at);
    if (isCloser) best = { record, differences: found };
  }
  if (best === undefined) return undefined;
  const sourceOf = sourceFinder(config);
  const order = ({ phase: name }: Difference): number => PHASES.indexOf(name);
  const differences = best.differences
    .toSorted((a, b) => order(a) - order(b))
    .map((one) => ({ ...one, source: sourceOf(one) }));
  return { record: best.record, differences };
}

function differencesOf(
  now: PhaseKey,
  was: PhaseKey,
  keys: Keys,
  records: ReadonlyMap<string, PhaseRecord>,
): readonly Difference[] {
  if (now.key === was.key) return [];
  const place = { stage: now.stage, phase: now.phase, source: undefined };
  const found: Difference[] = [];
  for (let i = 0; i < Math.max(now.after.length, was.after.length); i++) {
    const [next, last] = [keys.get(now.after[i] ?? ''), records.get(was.after[i] ?? '')];
    if (next !== undefined && last !== undefined) found.push(...differencesOf(next, last, keys, records));
    else if (next === undefined || now.after[i] !== was.after[i]) {
      const name =
        next === undefined || was.after[i] === undefined
          ? 'the stage that it starts from'
          : `an earlier phase, ${next.phase}`;
      found.push({ ...place, name, before: last?.stage ?? was.after[i], after: next?.stage ?? now.after[i] });
    }
  }
  for (const name of new Set([...Object.keys(was.parts), ...Object.keys(now.parts)])) {
    const [before, after] = [was.parts[name], now.parts[name]];
    if (before !== after) found.push({ ...place, name, before, after });
  }
  return withoutSums(found);
}

/** Digests of a whole say nothing where one of its parts differs. */
const SUM = / options in all$/;

function withoutSums(differences: readonly Difference[]): readonly Difference[] {
  const isNamed = (sum: Difference): boolean =>
    differences.some(({ name }) => name !== sum.name && name.startsWith(sum.name.replace(SUM, ' options')));
  return differences.filter((one) => !SUM.test(one.name) || !isNamed(one));
}

/** Finds the layer of the config, or the place of the plugin, that a part comes from. */
function sourceFinder(config: ResolvedConfig): (difference: Difference) => string | undefined {
  const origins = explainConfig(config.layers).map(({ path, source }) => ({ path: pathText(path), source }));
  return ({ stage, name, after }) => {
    if (name.startsWith(PART.config)) {
      const path = name.slice(PART.config.length);
      // Options of a stage and of the build become one; the stage's own win.
      const own = `stages.${stage}.${path}`;
      return (origins.find((origin) => origin.path === own) ?? origins.find((origin) => origin.path === path))?.source;
    }
    const plugin = config.stages
      .flatMap(({ plugins }) => plugins)
      .find((one) => name.startsWith(PART.plugin(one.name)));
    const origin = plugin && originOf(plugin);
    if (origin === undefined || after === undefined || !name.includes(' options')) return undefined;
    const file = origin.file === undefined ? '' : ` of ${relative(config.root, origin.file)}`;
    return `${pathText(origin.path)}${file}`;
  };
}

/** `train.epochs: 2 → 3 (anneal.config.ts)`, `plugin points file data.csv changed`. */
export function describeDifference({ name, before, after, source }: Difference): string {
  const shown = name.startsWith(PART.config) ? name.slice(PART.config.length) : name;
  const where = source === undefined ? '' : ` (${source})`;
  if (isLong(before) || isLong(after)) return `${shown} ${changeOf(before, after)}${where}`;
  return `${shown}: ${before ?? 'nothing'} → ${after ?? 'nothing'}${where}`;
}

const DIGEST = /^(sha256 )?[0-9a-f]{64}$/;
const isLong = (value: string | undefined): boolean => value !== undefined && (DIGEST.test(value) || value.length > 80);

function changeOf(before: string | undefined, after: string | undefined): string {
  if (before === undefined) return 'is new';
  return after === undefined ? 'is gone' : 'changed';
}
