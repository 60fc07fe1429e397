export type { LoraOptions } from './options.ts';
export { lora, lora as default } from './plugin.ts';
export { type Adapter, adaptersOf, foldAdapters } from './adapters.ts';
