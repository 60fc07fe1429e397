import { COMMANDS, type CommandName, type CommandSpec, GLOBAL_OPTIONS } from './args.ts';
import type { Style } from './ui/style.ts';
import { columns, wrap } from './ui/text.ts';

type OptionTable = CommandSpec['options'];

type Rows = readonly (readonly [name: string, about: string])[];

const optionRows = (options: OptionTable): Rows =>
  Object.entries(options).map(([name, { short, value, about }]) => [
    `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    about,
  ]);

export interface HelpOptions {
  readonly version: string;
  readonly style: Style;
  /** Columns at which text is broken. */
  readonly width: number;
}

/** The help of a command, or of all. */
export function helpText(command: CommandName | undefined, { version, style, width }: HelpOptions): string {
  const section = (title: string, body: string): string => `${style.bold(title)}\n${body}`;
  const pad = (rows: Rows): string => {
    const painted = rows.map(([name, about]) => [style.cyan(name), about]);
    return columns(painted, { width });
  };
  if (command === undefined) {
    const commands = Object.entries(COMMANDS).map(
      ([name, { args, about }]) => [[name, ...args].join(' '), about] as const,
    );
    return [
      `${style.bold('anneal')} ${version}: the build tool for models`,
      section('Usage', '  anneal <command> [options]'),
      section('Commands', pad(commands)),
      section('Options', pad(optionRows(GLOBAL_OPTIONS))),
      wrap('`anneal <command> --help` shows the options of a command.', width, 0),
    ].join('\n\n');
  }
  const { about, args, options, examples }: CommandSpec = COMMANDS[command];
  const sections = [wrap(about, width, 0), section('Usage', `  anneal ${[command, ...args].join(' ')} [options]`)];
  if (Object.keys(options).length > 0) sections.push(section('Options', pad(optionRows(options))));
  sections.push(section('Options of every command', pad(optionRows(GLOBAL_OPTIONS))));
  if (examples !== undefined) sections.push(section('Examples', examples.map((line) => `  ${line}`).join('\n')));
  return sections.join('\n\n');
}
