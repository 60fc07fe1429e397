export { toFloat16 } from './float16.ts';
export { type BlockQuantized, quantizeBlocks } from './int4.ts';
export { type Quantized, quantizeColumns, quantizeRows } from './int8.ts';
export type { QuantizeOptions, ResolvedOptions } from './options.ts';
export { quantize, quantize as default } from './plugin.ts';
export { type QuantizedGraph, quantizeGraph } from './quantize.ts';
export type { SchemeName } from './schemes.ts';
