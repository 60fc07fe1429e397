export { labelSmoothing, type LabelSmoothingOptions } from './plugin.ts';
