export { type CommandName, COMMANDS } from './args.ts';
export type { Services } from './context.ts';
export type { Io, Out, StopSignal } from './io.ts';
export { main } from './main.ts';
