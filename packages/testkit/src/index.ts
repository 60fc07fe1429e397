export { evaluate, type EvaluateOptions, interpret, referenceBackend } from '@anneal/graph';
export { checkRewrite, type CheckRewriteOptions, type RewriteCase } from './check-rewrite.ts';
export { assertClose, differenceOf, type Tolerance } from './compare.ts';
export { type OpCase, opCases } from './op-cases.ts';
export { seededRandom, seedOf } from './seeded.ts';
export { type BackendTest, testBackend, type TestBackendOptions } from './test-backend.ts';
export {
  type PluginUnderTest,
  setupPlugin,
  type SetupPluginOptions,
  stepContext,
  type TapFunction,
} from './setup-plugin.ts';
