export type { LoraOptions } from './options.ts';
export { lora, lora as default } from './plugin.ts';
export { foldAdapters } from './fold.ts';
export type { AdapterKind } from './kinds.ts';
export { ADAPTER_FILES } from './peft/format.ts';
export { attachAdapter, type PeftAdapter, type PeftConfig, readPeftConfig } from './peft/read.ts';
export { adapterFolder, type AdapterFolderOptions } from './peft/write.ts';
export { type Adapter, adaptersOf, type AdapterState, adapterStateOf } from './state.ts';
