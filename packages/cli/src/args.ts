import { parseArgs } from 'node:util';

import { FLAGS } from 'create-anneal/flags';

/** An option of the command line. */
export interface OptionSpec {
  /** `boolean`: a flag; `string`: takes a value. */
  readonly type: 'string' | 'boolean';
  /** One letter. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What the value is, in the help: `<file>`. */
  readonly value?: string;
  /** One line for the help. */
  readonly about: string;
}

/** A word after `anneal`. */
export type CommandName = 'build' | 'eval' | 'init' | 'plan' | 'dev' | 'cache' | 'inspect' | 'schema' | 'doctor';

/** A command, as the help tells it. */
export interface CommandSpec {
  /** One line for the help. */
  readonly about: string;
  /** Positional arguments as the help shows them; `…` at the end takes any number. */
  readonly args: readonly string[];
  /** Besides those of every command. */
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Whole command lines. */
  readonly examples?: readonly string[];
}

/** Options that every command takes. */
export const GLOBAL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: { type: 'string', short: 'c', value: '<file>', about: 'Config file; found from here upwards when absent' },
  mode: { type: 'string', short: 'm', value: '<name>', about: 'Which `env` block applies (default: production)' },
  set: { type: 'string', multiple: true, value: '<path=value>', about: 'Change a config value; may be repeated' },
  backend: { type: 'string', value: '<name>', about: 'Backend: onnx, tfjs, or a package' },
  device: { type: 'string', value: '<name>', about: 'Device: auto, cpu, webgpu …; `anneal doctor` lists them' },
  threads: { type: 'string', value: '<n>', about: 'Threads per operator' },
  seed: { type: 'string', value: '<n>', about: 'Seed of everything random' },
  'max-memory': { type: 'string', value: '<size>', about: 'Memory that training may take, e.g. 4GB' },
  json: { type: 'boolean', about: 'Print JSON on stdout' },
  quiet: { type: 'boolean', short: 'q', about: 'Print warnings and errors only' },
  debug: { type: 'boolean', about: 'Print debug messages and stacks' },
  strict: { type: 'boolean', about: 'Make errors of what is deprecated' },
  help: { type: 'boolean', short: 'h', about: 'Show this help' },
  version: { type: 'boolean', short: 'v', about: 'Show the version' },
};

/** Every command with its options: parser, help and documentation read this. */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  build: {
    about: 'Run the config: data, model, training, compression, evaluation, output',
    args: ['[stage…]'],
    options: {
      force: { type: 'boolean', short: 'f', about: 'Ignore cached results' },
      timings: { type: 'boolean', about: 'Show what each plugin took in each hook' },
      profile: { type: 'string', value: '<file>', about: 'Write a trace for ui.perfetto.dev or chrome://tracing' },
    },
    examples: ['anneal build', 'anneal build adapt --set train.epochs=1'],
  },
  eval: {
    about: 'Measure an emitted model on the test split, or predict other rows with it',
    args: ['[dir]'],
    options: {
      variant: { type: 'string', multiple: true, value: '<name>', about: 'File of onnx/ without .onnx (default: all)' },
      text: {
        type: 'string',
        multiple: true,
        short: 't',
        value: '<text>',
        about: 'Predict this text; may be repeated',
      },
      input: { type: 'string', short: 'i', value: '<file>', about: 'Predict the rows of a JSON Lines file' },
      predictions: { type: 'string', short: 'o', value: '<file>', about: 'Write predictions as JSON Lines' },
    },
    examples: ['anneal eval', 'anneal eval dist --text "Win a free prize"'],
  },
  init: {
    about: 'Write a project or a plugin from a template, here or in a new folder',
    args: ['[dir]'],
    options: FLAGS,
    examples: ['anneal init', 'anneal init my-filter --template text-classifier --data "data/*.csv" --yes'],
  },
  dev: {
    about: 'Build, and build again what is concerned whenever the config, a plugin or the data change',
    args: ['[stage…]'],
    options: {},
    examples: ['anneal dev', 'anneal dev --set train.maxSteps=50'],
  },
  cache: {
    about: 'Look at the cache and tidy it up: ls | explain [stage/phase] | gc | clear',
    args: ['<what>', '[stage/phase]'],
    options: {
      'max-size': { type: 'string', value: '<size>', about: 'gc: what may stay, e.g. 5GB (default: cache.maxSize)' },
    },
    examples: ['anneal cache explain base/train', 'anneal cache gc --max-size 5GB'],
  },
  plan: {
    about: 'Show what a build would run, and what comes from the cache',
    args: ['[stage…]'],
    options: {},
  },
  inspect: {
    about: 'Look inside: config | plugins | hooks [name] | graph <model.onnx>',
    args: ['<what>', '[name]'],
    options: {
      dim: { type: 'string', multiple: true, value: '<name=n>', about: 'graph: size of a symbolic dimension' },
      top: { type: 'string', value: '<n>', about: 'graph: how many tensors to list (default: 10)' },
    },
    examples: ['anneal inspect config --mode fast', 'anneal inspect graph dist/onnx/model.onnx --dim sequence=128'],
  },
  schema: {
    about: 'Print the JSON Schema of the config with the options of all installed plugins',
    args: [],
    options: { output: { type: 'string', short: 'o', value: '<file>', about: 'Write it to a file' } },
    examples: ['anneal schema -o anneal.schema.json'],
  },
  doctor: {
    about: 'Check this machine: Node, memory, threads, backends, plugins',
    args: [],
    options: {},
  },
};

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** What the command line says. */
export interface Parsed {
  readonly command: CommandName | undefined;
  readonly args: readonly string[];
  readonly options: Options;
}

/** Values of options by name. */
export class Options {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }
}

/** A command line that cannot be run. */
export interface UsageProblem {
  readonly message: string;
  /** What was not known, and what is. */
  readonly unknown?: { readonly name: string; readonly known: readonly string[]; readonly prefix: string };
  readonly command: CommandName | undefined;
}

const isCommand = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);
const optionsOf = (command: CommandName | undefined): Readonly<Record<string, OptionSpec>> => ({
  ...GLOBAL_OPTIONS,
  ...(command === undefined ? {} : COMMANDS[command].options),
});

/** The first argument that is no option and no option's value. Options of all commands are looked at: which is not known yet. */
function commandName(argv: readonly string[]): string | undefined {
  const all = Object.assign({}, ...Object.values(COMMANDS).map(({ options }) => options), GLOBAL_OPTIONS) as Record<
    string,
    OptionSpec
  >;
  const { tokens } = parseArgs({ args: [...argv], options: all, strict: false, allowPositionals: true, tokens: true });
  return tokens.find((token) => token.kind === 'positional')?.value;
}

/** Reads the command line. */
export function parse(argv: readonly string[]): Parsed | UsageProblem {
  const name = commandName(argv);
  if (name !== undefined && !isCommand(name)) {
    const known = Object.keys(COMMANDS);
    return { message: `unknown command \`${name}\``, unknown: { name, known, prefix: '' }, command: undefined };
  }
  const options = optionsOf(name);
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
    const args = positionals.slice(name === undefined ? 0 : 1);
    const problem = values['help'] === true ? undefined : checkArgs(name, args);
    return problem ?? { command: name, args, options: new Options(values) };
  } catch (error) {
    return optionProblem(error as Error & { code?: string }, name, Object.keys(options));
  }
}

function optionProblem(
  error: Error & { code?: string },
  command: CommandName | undefined,
  known: readonly string[],
): UsageProblem {
  const option = /'(--?[^'=\s]+)/.exec(error.message)?.[1];
  if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && option !== undefined) {
    const where = command === undefined ? '' : ` of \`anneal ${command}\``;
    const name = option.replace(/^--?/, '');
    return { message: `unknown option \`${option}\`${where}`, unknown: { name, known, prefix: '--' }, command };
  }
  if (error.code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
  // Node's own words, without the advice about how its parser was called.
  const message = (error.message.split(/\.\s|\n/)[0] ?? '').replaceAll("'", '`');
  return { message: message.charAt(0).toLowerCase() + message.slice(1), command };
}

function checkArgs(command: CommandName | undefined, args: readonly string[]): UsageProblem | undefined {
  if (command === undefined) return undefined;
  const spec: CommandSpec = COMMANDS[command];
  const missing = spec.args.find((arg, i) => arg.startsWith('<') && args[i] === undefined);
  if (missing !== undefined) return { message: `\`anneal ${command}\` needs ${missing}`, command };
  const many = spec.args.at(-1)?.includes('…') === true;
  if (!many && args.length > spec.args.length) {
    const extra = args.slice(spec.args.length).join(' ');
    return {
      message: `\`anneal ${command}\` takes ${spec.args.length || 'no'} arguments, received also ${extra}`,
      command,
    };
  }
  return undefined;
}
