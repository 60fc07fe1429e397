import { COMMANDS, type CommandName, type CommandSpec, GLOBAL_OPTIONS } from './args.ts';
import type { Style } from './ui/style.ts';

type OptionTable = CommandSpec['options'];

const pad = (rows: readonly (readonly [string, string])[], style: Style): string => {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, about]) => `  ${style.cyan(name.padEnd(width))}  ${about}`).join('\n');
};

const optionRows = (options: OptionTable): readonly (readonly [string, string])[] =>
  Object.entries(options).map(([name, { short, value, about }]) => [
    `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    about,
  ]);

/** The help of a command, or of all. */
export function helpText(command: CommandName | undefined, version: string, style: Style): string {
  const section = (title: string, body: string): string => `${style.bold(title)}\n${body}`;
  if (command === undefined) {
    const commands = Object.entries(COMMANDS).map(
      ([name, { args, about }]) => [[name, ...args].join(' '), about] as const,
    );
    return [
      `${style.bold('anneal')} ${version}: the build tool for models`,
      section('Usage', '  anneal <command> [options]'),
      section('Commands', pad(commands, style)),
      section('Options', pad(optionRows(GLOBAL_OPTIONS), style)),
      `\`anneal <command> --help\` shows the options of a command.`,
    ].join('\n\n');
  }
  const { about, args, options, examples }: CommandSpec = COMMANDS[command];
  const sections = [about, section('Usage', `  anneal ${[command, ...args].join(' ')} [options]`)];
  if (Object.keys(options).length > 0) sections.push(section('Options', pad(optionRows(options), style)));
  sections.push(section('Options of every command', pad(optionRows(GLOBAL_OPTIONS), style)));
  if (examples !== undefined) sections.push(section('Examples', examples.map((line) => `  ${line}`).join('\n')));
  return sections.join('\n\n');
}
