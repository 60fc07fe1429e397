export type { QuantizeOptions } from './options.ts';
export { quantize, quantize as default } from './plugin.ts';
export { type Quantized, quantizeColumns, quantizeRows } from './int8.ts';
export { type QuantizedGraph, quantizeGraph } from './quantize.ts';
