export { evaluate, type EvaluateOptions, interpret, referenceBackend } from '@anneal/graph';
export { checkRewrite, type CheckRewriteOptions, type RewriteCase } from './check-rewrite.ts';
export { assertClose, differenceOf, type Tolerance } from './compare.ts';
export { type OpCase, opCases } from './op-cases.ts';
export { seededRandom, seedOf } from './seeded.ts';
export { type BackendTest, parseXfails, testBackend, type TestBackendOptions } from './test-backend.ts';
export {
  type PluginUnderTest,
  setupPlugin,
  type SetupPluginOptions,
  stepContext,
  type TapFunction,
} from './setup-plugin.ts';
export { testPlugin } from './plugin/test-plugin.ts';
export type {
  ExpectedError,
  InvalidCase,
  OpenBackend,
  PluginTest,
  Surroundings,
  TestPluginOptions,
  TracedCase,
  TracedHook,
  TracedValue,
  ValidCase,
} from './plugin/types.ts';
export { type PipelineResult, runPipeline, type RunPipelineOptions } from './run-pipeline.ts';
export {
  tinyClassification,
  tinyClassificationTask,
  tinyClassifier,
  tinyTextClassification,
  tinyTextModel,
} from './tiny/classification.ts';
export {
  tinyDecoder,
  tinyLanguageModel,
  tinyLanguageModeling,
  tinyLanguageTask,
  tinyNextToken,
} from './tiny/language.ts';
export { tinyOnnx } from './tiny/onnx.ts';
export { texts, TINY_LABELS, TINY_WORDS, tinyTexts, type TinyTextsOptions } from './tiny/texts.ts';
export { TINY_TOKENS, TINY_VOCABULARY, tinyWords, wordIds } from './tiny/words.ts';
