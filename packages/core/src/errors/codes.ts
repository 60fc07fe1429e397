/** Every error code of core and the command line, with what it means. The docs page is generated from this table. */
export const CODES = {
  ANNEAL_E_USAGE: 'The command line has a command, an option or an argument that does not exist or does not fit.',
  ANNEAL_E_CONFIG_NOT_FOUND: 'No config file was found, or the given one does not exist.',
  ANNEAL_E_CONFIG_LOAD: 'The config file threw or could not be parsed.',
  ANNEAL_E_CONFIG: 'The config is not valid: a wrong type, an unknown key, a stage that does not exist.',
  ANNEAL_E_OPTIONS: 'The options of a plugin are not valid.',
  ANNEAL_E_PLUGIN_NOT_FOUND: 'A plugin named by string is not installed.',
  ANNEAL_E_PLUGIN:
    'A plugin is not what `definePlugin` returns, or two have the same name, or their order has a cycle.',
  ANNEAL_E_REQUIRES: 'A plugin needs what no other plugin of the stage provides, or taps hooks that none has.',
  ANNEAL_E_VERSION: 'A plugin does not work with this version of core.',
  ANNEAL_E_DEPRECATED: 'Something deprecated is used, and the build is strict.',
  ANNEAL_E_SETUP: 'A plugin threw in `setup`, or its setup did not finish.',
  ANNEAL_E_HOOK: 'A plugin threw in a hook.',
  ANNEAL_E_ASYNC_TAP: 'An async function was tapped to a synchronous hook.',
  ANNEAL_E_FROZEN: 'A hook was tapped after the pipeline was set up.',
  ANNEAL_E_UNANSWERED: 'No plugin answered a `resolve…` hook that the build needs.',
  ANNEAL_E_DATA: 'The data cannot be used: missing, empty, one class only, a column that does not exist.',
  ANNEAL_E_SHAPE: 'Shapes or sizes do not fit.',
  ANNEAL_E_NO_TARGET: 'No layer matches the given targets.',
  ANNEAL_E_TRAIN: 'Training cannot go on: the loss is not finite, or nothing is trainable.',
  ANNEAL_E_MEMORY: 'Training would need more memory than it may have.',
  ANNEAL_E_MODEL: 'A model lacks what is needed of it.',
  ANNEAL_E_BACKEND: 'A backend is not installed, or failed.',
  ANNEAL_E_EQUIVALENCE: 'A transformation that must not change the model changed it.',
  ANNEAL_E_GATE: 'A gate was not met, or names a metric that does not exist.',
  ANNEAL_E_CACHE: 'The cache folder cannot be used.',
  ANNEAL_E_WATCH: 'Files cannot be watched for changes.',
  ANNEAL_E_WRITE: 'A file could not be written: no space, or no permission.',
  ANNEAL_E_ABORTED: 'The run was stopped from outside.',
} as const;

/** A code of core or of the command line. */
export type CoreErrorCode = keyof typeof CODES;
