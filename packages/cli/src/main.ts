import { COMMANDS, type CommandName, type Parsed, parse, type UsageProblem } from './args.ts';
import type { Command, Context, Services } from './context.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { hasColor, type Io, widthOfOut } from './io.ts';
import { errorJson } from './ui/error.ts';
import { createStyle } from './ui/style.ts';
import { version } from './version.ts';

/** Commands are loaded when they are run: `anneal --version` needs none of them. */
const LOAD: Readonly<Record<CommandName, () => Promise<Command>>> = {
  build: async () => (await import('./commands/build.ts')).build,
  eval: async () => (await import('./commands/eval.ts')).evaluate,
  init: async () => (await import('./commands/init.ts')).init,
  plan: async () => (await import('./commands/plan.ts')).plan,
  dev: async () => (await import('./commands/dev.ts')).dev,
  cache: async () => (await import('./commands/cache.ts')).cache,
  inspect: async () => (await import('./commands/inspect.ts')).inspect,
  schema: async () => (await import('./commands/schema.ts')).schema,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
};

/** Commands whose `--json` is one object per line. */
const LINES = new Set<CommandName>(['build', 'dev']);

async function usageError({ message, unknown, command }: UsageProblem): Promise<Error> {
  const { AnnealError, suggest } = await import('@anneal/core');
  const near = unknown && suggest(unknown.name, unknown.known);
  const hint = near === undefined ? '' : `, did you mean \`${unknown?.prefix ?? ''}${near}\`?`;
  return new AnnealError('ANNEAL_E_USAGE', message + hint, {
    fix: `run \`anneal ${command === undefined ? '' : `${command} `}--help\``,
  });
}

async function report(error: unknown, io: Io, { json, debug }: { json: boolean; debug: boolean }): Promise<void> {
  const { formatError } = await import('@anneal/core');
  const color = hasColor(io.stderr, io.env);
  const text = formatError(error, { color, width: io.stderr.columns, cwd: io.cwd, stack: debug });
  io.stderr.write(`${text}\n`);
  if (json) io.stdout.write(`${JSON.stringify(errorJson(error))}\n`);
}

async function coreServices(): Promise<Services> {
  const { createPipeline, loadConfig, openCache } = await import('@anneal/core');
  return { createPipeline, loadConfig, openCache };
}

async function runCommand(command: CommandName, parsed: Parsed, io: Io, services: Services): Promise<number> {
  const { args, options } = parsed;
  const context: Context = {
    command,
    args,
    options,
    io,
    style: createStyle(hasColor(io.stdout, io.env)),
    errorStyle: createStyle(hasColor(io.stderr, io.env)),
    services,
    print: (text) => {
      if (!options.flag('json')) io.stdout.write(`${text}\n`);
    },
    json: (value) =>
      io.stdout.write(`${JSON.stringify(value, null, options.flag('json') && LINES.has(command) ? 0 : 2)}\n`),
  };
  return (await LOAD[command]())(context);
}

/**
 * The `anneal` command.
 *
 * @param argv without the runtime and the script
 * @returns the exit code: 0 ok, 1 failed, 2 config or usage not valid, 3 a gate was not met, 130 stopped
 */
export async function main(argv: readonly string[], io: Io, services?: Services): Promise<number> {
  const modes = { json: argv.includes('--json'), debug: argv.includes('--debug') };
  try {
    const parsed = parse(argv);
    if ('message' in parsed) throw await usageError(parsed);
    const { command, options } = parsed;
    if (options.flag('version')) {
      io.stdout.write(`${version()}\n`);
      return EXIT.ok;
    }
    if (options.flag('help') || command === undefined) {
      const { helpText } = await import('./help.ts');
      const isError = !options.flag('help');
      const out = isError ? io.stderr : io.stdout;
      const style = createStyle(hasColor(out, io.env));
      out.write(`${helpText(command, { version: version(), style, width: widthOfOut(out) })}\n`);
      return isError ? EXIT.usage : EXIT.ok;
    }
    return await runCommand(command, parsed, io, services ?? (await coreServices()));
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === EXIT.stopped) io.stderr.write('stopped; run the same command again to go on from there\n');
    else await report(error, io, modes);
    return code;
  }
}

/** Names of all commands. */
export const commandNames: readonly string[] = Object.keys(COMMANDS);
