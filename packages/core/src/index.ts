export type { JsonObject, JsonValue } from './json.ts';
export { CODES, type CoreErrorCode } from './errors/codes.ts';
export { type CodeReference, ERROR_REFERENCE } from './errors/reference.ts';
export { pathText } from './errors/show.ts';
export { formatError, type FormatOptions } from './errors/format.ts';
export { suggest } from './errors/suggest.ts';
export { AnnealError, type ErrorCode, type ErrorDetails, isAnnealError } from './errors/error.ts';
export { definePlugin, isPlugin } from './plugin/define.ts';
export type {
  Deprecation,
  OptionDeprecation,
  OptionSchema,
  Plugin,
  PluginApi,
  PluginFactory,
  PluginSpec,
} from './plugin/types.ts';
export { baseName, instanceOf, ownName } from './plugin/instance.ts';
export { definePreset, isPreset, type Preset, type PresetFactory, type PresetSpec } from './plugin/preset.ts';
export type { TapCall } from './hooks/create.ts';
export type { Callable, CallableGroup, HookDeclarations, KindOf } from './hooks/kinds.ts';
export { type ChromeTrace, Trace } from './observe/trace.ts';
export type { StandardIssue, StandardResult, StandardSchemaV1 } from './plugin/schema.ts';
export {
  type AuditReport,
  type BailHook,
  type CompressContext,
  type DataContext,
  type EmitContext,
  type EvaluateContext,
  type HookKind,
  type Hooks,
  type ModelContext,
  type ParallelHook,
  type PhaseContext,
  type PluginHooks,
  type SampleContext,
  type Scoped,
  type ScopedGroup,
  type SeriesHook,
  STAGE,
  type SyncBailHook,
  type SyncHook,
  type SyncWaterfallHook,
  type TapOptions,
  type TrainContext,
  type WaterfallHook,
} from './hooks/types.ts';
export type { Batch, DataReport, Dataset, Feature, Row, Sample, SplitName } from './data/types.ts';
export type { Model } from './model.ts';
export type { Evaluator, Figure, FigureAxis, Metric, Metrics, TargetSpec, Task } from './task.ts';
export type { Int8Report } from './train/int8.ts';
export type { MemoryParts, MemoryReport } from './train/memory.ts';
export type {
  EvaluationStep,
  LossContext,
  LrScheduler,
  Optimizer,
  OptimizerConfig,
  ParameterGroup,
  PlateauConfig,
  RandomSpec,
  Schedule,
  StepContext,
  StepProgress,
  TrainConfig,
  TrainPoint,
  TrainReport,
  UpdateContext,
} from './train/types.ts';
export type { AuditSection, FlatMetrics, GateResult, HonestyCheck, Report, VariantMetrics } from './report/types.ts';
export { defineConfig } from './config/define.ts';
export { type LoadOptions, loadConfig } from './config/load.ts';
export { isResolvedConfig, resolveConfig, type ResolveOptions } from './config/resolve.ts';
export { type ConfigOrigin, explainConfig } from './config/layers.ts';
export type { SourcedOverride } from './config/overrides.ts';
export { configJsonSchema, type DescribedPlugin } from './config/json-schema.ts';
export { importFile, installCommand, resolveModule } from './config/modules.ts';
export { isPluginFactory, pluginPackages } from './config/plugins.ts';
export { validateOptions } from './config/options.ts';
export type {
  BackendFactory,
  CacheConfig,
  ConfigEnv,
  ConfigLayer,
  EvaluateConfig,
  OpenBackendOptions,
  PluginInput,
  ResolvedConfig,
  ResolvedStage,
  StageConfig,
  StageDataConfig,
  UserConfig,
  UserConfigExport,
  UserConfigFn,
} from './config/types.ts';
export { createLogger, type LogEntry, type Logger, type LogLevel } from './observe/logger.ts';
export type { Progress } from './observe/progress.ts';
export type { PhaseName, RunEvent } from './observe/events.ts';
export { type Random, random } from './random.ts';
export { Artifacts } from './artifacts.ts';
export type { Run } from './run.ts';
export { openStage, type Stage, type StageOptions } from './build/stage.ts';
export type {
  Estimate,
  EvaluateOptions,
  EvaluateResult,
  ExplainOptions,
  Explanation,
  Pipeline,
  PlanEntry,
  Prediction,
  RunHandle,
  RunOptions,
  RunResult,
  TapListing,
  TapTimings,
} from './pipeline-types.ts';
export { type Difference, describeDifference } from './build/explain.ts';
export { type CacheEntry, type CacheStore, type Collected, openCache } from './build/cache-store.ts';
export { configInputs } from './build/inputs.ts';
export { httpCache } from './remote/http.ts';
export type { RemoteBody, RemoteCache, RemoteCacheConfig, RemoteOptions } from './remote/types.ts';
export { createPipeline, type PipelineOptions } from './pipeline.ts';
