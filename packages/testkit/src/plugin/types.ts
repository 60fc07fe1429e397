import type { PluginInput, StepProgress, Task, UserConfig } from '@anneal/core';
import type { Backend, TensorData } from '@anneal/graph';

import type { Tolerance } from '../compare.ts';
import type { PipelineResult } from '../run-pipeline.ts';

/** One test: it passes when `run` resolves. */
export interface PluginTest {
  /** As test runners show it. */
  readonly name: string;
  /** Rejects when the plugin fails. */
  readonly run: () => Promise<void>;
}

/** Opens a backend; called for every build. */
export type OpenBackend = () => Promise<Backend>;

/** What stands around a plugin in a build. */
export interface Surroundings {
  /**
   * The other plugins of the build; the one under test stands before them, so that it answers first.
   * @defaultValue `tinyTextClassification()`
   */
  readonly plugins?: readonly PluginInput[] | undefined;
  /** The rest of the config: stages, training options, gates. */
  readonly config?: Omit<UserConfig, 'plugins' | 'backend'> | undefined;
  /** Files of the project by path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
}

/** Options that are right, and a build that uses them. */
export interface ValidCase<In> extends Surroundings {
  /** What is special about it. */
  readonly name: string;
  /** @defaultValue none */
  readonly options?: In | undefined;
  /** Looks at what the build made; throws when it is wrong. Called once for each backend. */
  readonly check?: ((result: PipelineResult, backend: string) => void | Promise<void>) | undefined;
}

/** What an error must be; fields that are left out may be anything. */
export interface ExpectedError {
  /** Its code. */
  readonly code: string;
  /** The whole message, or a pattern that it has. */
  readonly message?: string | RegExp | undefined;
  /** Where in the options: `['epsilon']`. */
  readonly path?: readonly (string | number)[] | undefined;
  /** `train.transformTargets`. */
  readonly hook?: string | undefined;
}

/** Options that are wrong: refused by the schema, or else by the build. */
export interface InvalidCase extends Surroundings {
  /** @defaultValue the options as JSON */
  readonly name?: string | undefined;
  /** What the plugin is given. */
  readonly options?: unknown;
  /** All errors in order. */
  readonly errors: readonly ExpectedError[];
}

/** Hooks of `train` that become part of the training graph. */
export type TracedHook =
  | 'transformInputs'
  | 'transformOutputs'
  | 'transformTargets'
  | 'transformLoss'
  | 'transformGradients';

/** One tensor, or tensors by name, as the hook has them. */
export type TracedValue = TensorData | Readonly<Record<string, TensorData>>;

/** What a traced hook makes of tensors. */
export interface TracedCase<In> {
  /** What is special about it. */
  readonly name: string;
  /** @defaultValue none */
  readonly options?: In | undefined;
  /** The one that is called. */
  readonly hook: TracedHook;
  /** What goes in: a tensor for `transformTargets` and `transformLoss`, tensors by name for the others. */
  readonly value: TracedValue;
  /** What must come out; `'same'` when the hook must leave it alone. @defaultValue what the reference computes */
  readonly expect?: TracedValue | 'same' | undefined;
  /** Of `expect`, and of backends. @defaultValue a few roundings of float32 */
  readonly tolerance?: Tolerance | undefined;
  /** What the task of the step is. @defaultValue that of `tinyTextClassification()` */
  readonly task?: Partial<Task> | undefined;
  /** `step.features`. @defaultValue none */
  readonly features?: Readonly<Record<string, TensorData>> | undefined;
  /** Of `transformLoss`: the outputs of the model that the loss is of. @defaultValue none */
  readonly outputs?: Readonly<Record<string, TensorData>> | undefined;
  /** Of `transformLoss`: what they are compared with. @defaultValue a number for each row */
  readonly targets?: TensorData | undefined;
  /** `step.parameters`. @defaultValue none */
  readonly parameters?: Readonly<Record<string, TensorData>> | undefined;
  /** Where training stands, for `step.scalar`. @defaultValue step 0 of 10 */
  readonly progress?: Partial<StepProgress> | undefined;
  /**
   * Compare the gradient with finite differences. `false` where it is meant to be another, as that of a straight-through
   * estimator is. @defaultValue `true`
   */
  readonly gradient?: boolean | undefined;
}

/** What {@link testPlugin} checks. */
export interface TestPluginOptions<In> {
  /** Builds that must succeed. Each runs on every backend, and three times more to see that nothing else decides. */
  readonly valid: readonly ValidCase<In>[];
  /** Options and builds that must fail. */
  readonly invalid?: readonly InvalidCase[] | undefined;
  /** Single hooks of the training step. */
  readonly traced?: readonly TracedCase<In>[] | undefined;
  /**
   * Backends besides the reference interpreter, by name: `{ onnx: () => openBackend() }` of `@anneal/backend-onnx`.
   * @defaultValue none
   */
  readonly backends?: Readonly<Record<string, OpenBackend>> | undefined;
  /** The README, which must name every option: `new URL('../README.md', import.meta.url)`. */
  readonly readme?: URL | undefined;
  /** Registers a test, for example vitest's `it`. */
  readonly it?: ((name: string, run: () => Promise<void>) => unknown) | undefined;
}
