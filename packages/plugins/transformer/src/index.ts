export { type Architecture, type ArchitectureName, ARCHITECTURES, type TransformerShape } from './architectures.ts';
export { buildClassifier, type ClassifierOptions } from './build.ts';
export {
  type Checkpoint,
  checkpointTensors,
  decoderFromCheckpoint,
  fromCheckpoint,
  type FromCheckpointOptions,
} from './checkpoint.ts';
export { type ClassifierConfig, fromConfig, toConfig } from './config.ts';
export { buildDecoder, type DecoderOptions } from './decoder.ts';
export {
  type DecoderArchitecture,
  type DecoderConfig,
  decoderConfig,
  type DecoderName,
  DECODERS,
  type DecoderShape,
  toDecoderConfig,
  type TokenIds,
} from './decoders.ts';
export { ggufCheckpoint } from './gguf.ts';
export { type InitialShape, initialWeights } from './initialize.ts';
export type { WeightSource, WeightSpec } from './layers/context.ts';
export type { Pooling } from './layers/heads.ts';
export { createDecoder, createModel } from './model.ts';
export type { TransformerOptions } from './options.ts';
export { transformer, transformer as default } from './plugin.ts';
export { type Vocabulary, vocabularyOf } from './vocabulary.ts';
