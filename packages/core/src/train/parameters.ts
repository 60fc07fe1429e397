import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { matchesGlob } from '../glob.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { ParameterGroup } from './types.ts';

/** What a stage trains, and the group that each parameter is in. */
export interface TrainedParameters {
  readonly trainable: ReadonlySet<string>;
  readonly groups: ReadonlyMap<string, ParameterGroup>;
}

/**
 * The parameters that plugins (or the model) leave trainable, less those of frozen groups.
 *
 * @throws AnnealError `ANNEAL_E_TRAIN` when nothing is left; `ANNEAL_E_CONFIG` for a group that no parameter is in.
 */
export function trainedParameters(ctx: TrainContext, hooks: CallableHooks): TrainedParameters {
  const { model, config, stage } = ctx;
  const [candidates, frozen]: [string[], string[]] = [[], []];
  for (const [name, parameter] of model.graph.parameters) {
    const isTrained = hooks.train.shouldTrain.call(name, parameter, ctx) ?? parameter.trainable;
    (isTrained ? candidates : frozen).push(name);
  }
  const groups = groupsOf(config.parameterGroups ?? [], candidates, frozen, stage);
  const trainable = new Set(candidates.filter((name) => groups.get(name)?.frozen !== true));
  if (trainable.size > 0) return { trainable, groups };
  throw new AnnealError('ANNEAL_E_TRAIN', `nothing is trainable in stage \`${stage}\``, {
    fix: 'add an adapter plugin, or set `train: false`',
  });
}

const globsOf = ({ params }: ParameterGroup): readonly string[] => (typeof params === 'string' ? [params] : params);

/** The first group of each parameter. */
function groupsOf(
  groups: readonly ParameterGroup[],
  names: readonly string[],
  frozen: readonly string[],
  stage: string,
): ReadonlyMap<string, ParameterGroup> {
  const found = new Map<string, ParameterGroup>();
  for (const [i, group] of groups.entries()) {
    const globs = globsOf(group);
    const own = names.filter((name) => globs.some((glob) => matchesGlob(glob, name)));
    const left = own.filter((name) => !found.has(name));
    if (left.length === 0)
      throw emptyGroup(globs, own, names, frozen, ['stages', stage, 'train', 'parameterGroups', i]);
    for (const name of left) found.set(name, group);
  }
  return found;
}

function emptyGroup(
  globs: readonly string[],
  matched: readonly string[],
  names: readonly string[],
  frozen: readonly string[],
  path: readonly (string | number)[],
): AnnealError {
  const shown = globs.map((glob) => JSON.stringify(glob)).join(', ');
  const error = (message: string, fix: string): AnnealError =>
    new AnnealError('ANNEAL_E_CONFIG', message, { path: [...path, 'params'], fix });
  if (matched.length > 0) {
    return error(
      `all parameters that match ${shown} are in groups before, e.g. "${matched[0]}"`,
      'the first group that matches wins: put the more special one first',
    );
  }
  const still = frozen.find((name) => globs.some((glob) => matchesGlob(glob, name)));
  if (still !== undefined) {
    return error(`only parameters that are not trained match ${shown}, e.g. "${still}"`, 'remove the group');
  }
  const near = nearNames(globs, names);
  return error(
    `no trained parameter matches ${shown}`,
    `near ${near.length > 1 ? 'names are' : 'is'} ${near.join(', ')}`,
  );
}

/** How many names an error lists. */
const SHOWN = 3;

/** Parameters with a part that is much like the text of a glob; the first ones when none is. */
function nearNames(globs: readonly string[], names: readonly string[]): readonly string[] {
  const parts = new Set(names.flatMap(runs));
  const near = globs.flatMap((glob) => suggest(glob.replace(/[*?]+/g, ''), parts) ?? []);
  const alike = names.filter((name) => near.some((part) => name.includes(part)));
  return (alike.length > 0 ? alike : names).slice(0, SHOWN).map((name) => JSON.stringify(name));
}

/** Every run of components of a dotted name. */
function runs(name: string): readonly string[] {
  const parts = name.split('.');
  return parts.flatMap((_, from) => parts.slice(from).map((__, i) => parts.slice(from, from + i + 1).join('.')));
}
