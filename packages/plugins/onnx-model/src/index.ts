export { importOnnx, type ImportOnnxOptions } from './import.ts';
export type { OnnxModelOptions, Pooling } from './options.ts';
export { onnxModel } from './plugin.ts';
