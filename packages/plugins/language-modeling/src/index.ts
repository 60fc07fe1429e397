export type { LanguageModelingOptions } from './options.ts';
export { languageModeling, languageModeling as default } from './plugin.ts';
