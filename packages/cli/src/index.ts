export type { Asker, Choice } from 'create-anneal/terminal';
export { type CommandName, COMMANDS, type CommandSpec, type OptionSpec } from './args.ts';
export type { Services } from './context.ts';
export { type Io, type Out, processIo, type StopSignal } from './io.ts';
export { main } from './main.ts';
