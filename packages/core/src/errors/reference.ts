import type { GraphErrorCode } from '@anneal/graph';

import { CODES, type CoreErrorCode } from './codes.ts';

/** What the reference says about a code. */
export interface CodeReference {
  /** What the code says. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
}

const REMEDIES: Readonly<Record<CoreErrorCode, string>> = {
  ANNEAL_E_USAGE: 'Run `anneal --help`, or `anneal <command> --help`, for what there is.',
  ANNEAL_E_CONFIG_NOT_FOUND:
    'Run `anneal init`, or go to the folder of the project: the search goes from the working directory up to the ' +
    'nearest package.json. `--config` names a file directly.',
  ANNEAL_E_CONFIG_LOAD:
    'Read the cause: it is the error of the file itself. `--debug` shows its whole stack. A TypeScript or JavaScript ' +
    'config must have a default export; it may be an object, a promise or a function.',
  ANNEAL_E_CONFIG:
    'Correct the value at the path that the message names. `anneal schema` writes a JSON Schema with which editors ' +
    'check JSON and YAML configs; `anneal inspect config` shows which file each value came from.',
  ANNEAL_E_OPTIONS:
    'Correct the option at the path that the message names; the README of the plugin lists all options.',
  ANNEAL_E_PLUGIN_NOT_FOUND:
    'Install the package, or correct the name. `x` is looked for as `@anneal/plugin-x` and `anneal-plugin-x`, ' +
    '`@scope/x` as `@scope/anneal-plugin-x` and `@scope/x`, both from the folder of the config; a path starts with `./`.',
  ANNEAL_E_PLUGIN:
    'A config takes what a plugin function returns, `lora({ rank: 8 })`, not the function. Two instances of one plugin ' +
    'need names of their own: `["lora#2", {}]`. A cycle is resolved by removing one of the `before` or `after` entries.',
  ANNEAL_E_REQUIRES:
    'Add a plugin that provides what is needed; the message names those that are known. `anneal inspect plugins` shows what ' +
    'each plugin provides and requires.',
  ANNEAL_E_VERSION: 'Install a version of the plugin that was made for this core, or the core that the plugin wants.',
  ANNEAL_E_DEPRECATED: 'Use what the message names instead, or build without `--strict`.',
  ANNEAL_E_SETUP: 'Read the cause. `setup` may only tap hooks; slow work belongs into a hook.',
  ANNEAL_E_HOOK: 'Read the cause: it is the error of the plugin. `--debug` shows its stack.',
  ANNEAL_E_ASYNC_TAP:
    'Make the function synchronous. Hooks that take part in a training step are traced once; what changes per step is ' +
    'a `step.scalar`.',
  ANNEAL_E_FROZEN: 'Tap hooks in `setup`, not later.',
  ANNEAL_E_UNANSWERED: 'Add a plugin that answers the hook: a data source, a model, a task.',
  ANNEAL_E_DATA: 'Look at the source that the message names, and at the rows that were dropped and why.',
  ANNEAL_E_SHAPE: 'Compare the shapes in the message; `anneal inspect graph` lists those of a model.',
  ANNEAL_E_NO_TARGET: 'Use names or patterns of layers that the model has; `anneal inspect graph` lists them.',
  ANNEAL_E_TRAIN: 'Lower the learning rate, look at the data, or make some parameters trainable.',
  ANNEAL_E_MEMORY:
    'Allow more memory, lower `train.maxLength`, train adapters instead of all weights, or take a smaller model. The ' +
    'message says what the smallest way to train would take, by part.',
  ANNEAL_E_MODEL: 'Use a model that has what the message names, or a plugin that adds it.',
  ANNEAL_E_BACKEND: 'Install the package of the backend; `anneal doctor` shows what works on this machine.',
  ANNEAL_E_EQUIVALENCE:
    'The plugin that the message names has a bug, or its numerical tolerance does not fit the model. Nothing was written.',
  ANNEAL_E_GATE:
    'The model does not reach the bar: improve it, or change the gate. The report has all measured values.',
  ANNEAL_E_CACHE: 'Remove the cache folder, or name another with `cacheDir`; everything in it can be computed again.',
  ANNEAL_E_WATCH:
    'Raise the limit of the system for watched files (on Linux `fs.inotify.max_user_watches`), or let plugins declare ' +
    'fewer folders. `anneal build` does not watch anything.',
  ANNEAL_E_WRITE: 'Free space on the device, or correct the permissions of the folder.',
  ANNEAL_E_ABORTED: 'Run the same command again: finished phases come from the cache, training from its checkpoint.',
};

/** Codes that only `@anneal/graph` has. */
const GRAPH: Readonly<Record<Exclude<GraphErrorCode, CoreErrorCode>, CodeReference>> = {
  ANNEAL_E_DTYPE: {
    meaning: 'An operator got a type of numbers that it does not take.',
    remedy: 'Cast the operand that the message names.',
  },
  ANNEAL_E_OP: {
    meaning: 'An operator was used wrongly, or is not known.',
    remedy: 'Compare with the ONNX specification of the operator in the opset that the message names.',
  },
  ANNEAL_E_GRAPH: {
    meaning: 'A graph is not whole: a name is used twice, a value has no producer, there is a cycle.',
    remedy: 'Look at the node that the message names.',
  },
  ANNEAL_E_NOT_DIFFERENTIABLE: {
    meaning: 'A gradient was asked for through an operator that has none.',
    remedy: 'Stop the gradient there, or replace the operator by differentiable ones.',
  },
  ANNEAL_E_FORMAT: {
    meaning: 'A file is damaged, cut off, or not of the format that it claims to be.',
    remedy: 'Fetch or write the file again; the message names the place in it.',
  },
  ANNEAL_E_SYMBOLIC_DIM: {
    meaning: 'A dimension must be a number and is a symbol.',
    remedy: 'Bind the dimension before this step.',
  },
};

/** Every code of core, the command line and `@anneal/graph`. */
export const ERROR_REFERENCE: Readonly<Record<CoreErrorCode | GraphErrorCode, CodeReference>> = {
  ...(Object.fromEntries(
    Object.entries(CODES).map(([code, meaning]) => [code, { meaning, remedy: REMEDIES[code as CoreErrorCode] }]),
  ) as Record<CoreErrorCode, CodeReference>),
  ...GRAPH,
};
