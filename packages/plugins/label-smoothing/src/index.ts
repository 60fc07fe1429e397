export { labelSmoothing, labelSmoothing as default, type LabelSmoothingOptions } from './plugin.ts';
