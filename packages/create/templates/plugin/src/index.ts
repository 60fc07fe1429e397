export { clipValue, clipValue as default, type ClipValueOptions } from './plugin.ts';
