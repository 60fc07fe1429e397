export { DTYPES, type DType, type DTypeInfo, dtypeFromOnnx, isFloat, type TypedArray } from './dtype.ts';
export { GraphError, type GraphErrorCode, type GraphErrorDetails } from './error.ts';
export {
  byteLengthOf,
  type ByteSource,
  bytesOf,
  isLazy,
  type LazyTensor,
  loadTensor,
  sizeOf,
  tensor,
  type TensorData,
  tensorFromBytes,
  type TensorSource,
  zeros,
} from './tensor.ts';
export {
  attr,
  type Attribute,
  type Attributes,
  DEFAULT_OPSETS,
  type Dim,
  type Graph,
  input,
  type Node,
  output,
  type Parameter,
  type Shape,
  type UnknownFields,
  Value,
} from './ir.ts';
export {
  broadcastShapes,
  INFER,
  type InferContext,
  type InferRule,
  inferRule,
  type OpKey,
  opKey,
  type TensorType,
} from './infer/index.ts';
export { type Einsum, parseEinsum } from './infer/einsum.ts';
export { slide, slideTransposed, type Window, windowOf } from './infer/window.ts';
export { type GradientOptions, gradients } from './autodiff/gradients.ts';
export { rematerialize } from './autodiff/rematerialize.ts';
export { type DifferentiableOp, VJP } from './autodiff/rules/index.ts';
export { STOP, type StopOp } from './autodiff/stop.ts';
export type { Pullback, Stop, VjpContext, VjpRule } from './autodiff/types.ts';
export { describeGraph, type GraphDescription, type Obstacle, type Port } from './describe/describe.ts';
export type { Memory, TensorStat } from './describe/memory.ts';
export type { Work } from './describe/work.ts';
export { chunkedCrossEntropy, type ChunkedCrossEntropyOptions, type HeadProducts } from './chunked-cross-entropy.ts';
export { crossEntropy, type CrossEntropyOptions, labelScores, type LabelScores } from './loss/cross-entropy.ts';
export { embeddingLayers, type LinearLayer, linearLayers } from './linear-layers.ts';
export { repeatedBlocks } from './repeated-blocks.ts';
export { GraphBuilder, type NodeOptions, type ParameterOptions } from './builder.ts';
export type { Int8LayerValues, Operand, Ops, ReduceOptions } from './ops/types.ts';
export {
  bind,
  inline,
  type InlineOptions,
  type InputRewriter,
  type NodeRewriter,
  type ParameterRewriter,
  rewrite,
  symbolsOf,
  valuesOf,
  withParameters,
} from './transform.ts';
export { constantFolder, foldConstants, type FoldOptions } from './rewrites/fold.ts';
export { type Simplification, SIMPLIFICATIONS, type Surroundings } from './rewrites/rules.ts';
export {
  int8InputGradient,
  type Int8Layer,
  int8Layer,
  int8Layers,
  int8Linears,
  type Int8Matrix,
  int8Matrix,
  int8RowwiseMatmul,
  int8Values,
} from './rewrites/int8-linears.ts';
export { linearForm } from './rewrites/linear-form.ts';
export { simplify } from './rewrites/simplify.ts';
export {
  applyRewrites,
  defineRewrite,
  type Match,
  type Rewrite,
  type RewriteDefinition,
  type Rewritten,
} from './rewrites/define.ts';
export { type OpOptions, type OpPattern, type Pattern, pattern, type PatternLike } from './rewrites/pattern.ts';
export { FUSIONS } from './rewrites/fusions.ts';
export { DEQUANTIZATIONS, EXPANSIONS } from './canonicalize/composites/index.ts';
export { type Canonical, canonicalize, type CanonicalizeOptions } from './canonicalize/canonicalize.ts';
export { toNumbers } from './interpret/array.ts';
export { evaluate, type EvaluateOptions, interpret } from './interpret/evaluate.ts';
export { referenceBackend } from './interpret/backend.ts';
export {
  decodeFloat,
  encodeFloat,
  fromFloat16Bits,
  isSmallFloat,
  roundFloat,
  roundHalfEven,
  type SmallFloat,
  toFloat16Bits,
} from './float16.ts';
export type {
  Backend,
  BackendInfo,
  BackendState,
  CompileOptions,
  DeviceProbe,
  HostNodes,
  MemoryPlan,
  PlannedProgram,
  Program,
  Tensors,
  TensorSpec,
} from './backend.ts';
export { checkFeeds, checkTensor, checkWiring, fitsShape, staticSpec } from './program-checks.ts';
export { formatError, type Place } from './formats/error.ts';
export { type ByteWriter, memorySource, memoryWriter } from './formats/source.ts';
export type { ExternalData, ExternalOptions, StoredTensor } from './formats/onnx/external.ts';
export { scopeOfNodeName } from './formats/onnx/names.ts';
export type { OpenExternal } from './formats/onnx/from-proto.ts';
export { decodeOnnx, encodeOnnx } from './formats/onnx/model.ts';
export type { ModelProto } from './formats/onnx/proto/onnx_pb.ts';
export { decodeOnnxTensor } from './formats/onnx/tensor-file.ts';
export { readOnnx, type ReadOnnxOptions } from './formats/onnx/read.ts';
export { type OnnxModel, writeOnnx, type WriteOnnxOptions } from './formats/onnx/write.ts';
export { readSafetensors, type Safetensors } from './formats/safetensors/read.ts';
export { writeSafetensors, type WriteSafetensorsOptions } from './formats/safetensors/write.ts';
export { type Gguf, type GgufTensor, readGguf } from './formats/gguf/read.ts';
export type { GgufValue } from './formats/gguf/cursor.ts';
