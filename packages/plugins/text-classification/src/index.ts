export type { MetricName } from './metrics/table.ts';
export type { TextClassificationOptions } from './options.ts';
export { textClassification, textClassification as default } from './plugin.ts';
