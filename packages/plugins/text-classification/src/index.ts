export type { MetricName } from './metrics/table.ts';
export type { TextClassificationOptions } from './options.ts';
export { textClassification } from './plugin.ts';
