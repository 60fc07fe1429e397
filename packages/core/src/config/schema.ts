import * as v from 'valibot';

import { parseCondition } from '../report/gates.ts';
import type { RemoteCache, RemoteCacheConfig } from '../remote/types.ts';
import { parseBytes } from '../train/memory.ts';
import type { ParameterGroup, PlateauConfig, TrainConfig } from '../train/types.ts';
import type { CacheConfig, EvaluateConfig, StageConfig, StageDataConfig, UserConfig } from './types.ts';

/**
 * Schemas of everything in a config except the plugins, whose inputs may be functions and objects of other packages:
 * `plugins.ts` looks at those. Messages say what a value must be; `issues.ts` adds where and what was received.
 */

function isCondition(text: string): boolean {
  try {
    parseCondition('gate', text);
    return true;
  } catch {
    return false;
  }
}

type Keys<T> = { readonly [K in keyof T]-?: K };
/** Refuses a schema whose keys or values differ from the interface's. */
type Tied<T, S extends v.GenericSchema> = [Keys<T>] extends [Keys<v.InferInput<S>>]
  ? [Keys<v.InferInput<S>>] extends [Keys<T>]
    ? v.InferInput<S> extends T
      ? S
      : never
    : never
  : never;
const tied =
  <T>() =>
  <S extends v.GenericSchema>(schema: S & Tied<T, S>): S =>
    schema;

const about = <S extends v.GenericSchema>(description: string, schema: S) =>
  v.optional(v.pipe(schema, v.description(description)));

const INTEGER = 'must be an integer >= 1';
const NOT_NEGATIVE = 'must be a number >= 0';
const SHARE = 'must be a number between 0 and 1';
const DECAY = 'must be a number > 0 and < 1';
const TEXT = 'must be a text that is not empty';
const SETTING = 'must be a number or true or false';
const FLAG = 'must be true or false';

const count = v.pipe(v.number(INTEGER), v.safeInteger(INTEGER), v.minValue(1, INTEGER));
const notNegative = v.pipe(v.number(NOT_NEGATIVE), v.finite(NOT_NEGATIVE), v.minValue(0, NOT_NEGATIVE));
const positive = v.pipe(
  v.number('must be a number > 0'),
  v.finite('must be a number > 0'),
  v.gtValue(0, 'must be a number > 0'),
);
const WHOLE = 'must be an integer >= 0';
const whole = v.pipe(v.number(WHOLE), v.safeInteger(WHOLE), v.minValue(0, WHOLE));
const decay = v.pipe(v.number(DECAY), v.gtValue(0, DECAY), v.ltValue(1, DECAY));
const share = v.pipe(v.number(SHARE), v.minValue(0, SHARE), v.maxValue(1, SHARE));
const text = v.pipe(v.string(TEXT), v.nonEmpty(TEXT));
const flag = v.boolean(FLAG);

const SIZE = 'must be a number of bytes, or a size such as "4 GB" or "512 MiB"';
const memorySize = v.union(
  [
    v.pipe(v.number(SIZE), v.safeInteger(SIZE), v.minValue(1, SIZE)),
    v.pipe(
      v.string(SIZE),
      v.check((size) => parseBytes(size) !== undefined, SIZE),
    ),
  ],
  SIZE,
);

const optimizer = v.union(
  [
    text,
    v.objectWithRest(
      { name: text },
      v.union([v.number(SETTING), v.boolean(SETTING)], SETTING),
      'must be a name, or an object with a `name` and its options',
    ),
  ],
  'must be a name, or an object with a `name` and its options',
) as unknown as v.GenericSchema<NonNullable<TrainConfig['optimizer']>>;

const OBJECT_OF_PLATEAU = 'must be an object such as { name: "plateau", patience: 2 }';
const lrScheduler = v.union(
  [
    v.picklist(['constant', 'linear', 'cosine', 'wsd', 'one-cycle', 'plateau']),
    tied<PlateauConfig>()(
      v.strictObject(
        {
          name: v.literal('plateau', 'must be "plateau": other schedules have no options'),
          factor: about('What the learning rate is multiplied by.', decay),
          patience: about('Evaluations without improvement that are tolerated.', whole),
          threshold: about('How much better than the best an evaluation must be.', notNegative),
          thresholdMode: about(
            'Whether `threshold` is relative.',
            v.picklist(['rel', 'abs'], 'must be "rel" or "abs"'),
          ),
          cooldown: about('Evaluations after a reduction in which none counts as bad.', whole),
          minLr: about('The learning rate is not reduced below.', notNegative),
        },
        OBJECT_OF_PLATEAU,
      ),
    ),
  ],
  'must be "constant", "linear", "cosine", "wsd", "one-cycle", "plateau" or an object such as { name: "plateau", patience: 2 }',
);

const GLOBS = 'must be a glob or a list of globs over parameter names';
const parameterGroup = v.pipe(
  tied<ParameterGroup>()(
    v.strictObject(
      {
        params: v.pipe(
          v.union([text, v.pipe(v.array(text, GLOBS), v.nonEmpty(GLOBS))], GLOBS),
          v.description('Globs over parameter names; `*` is any text.'),
        ),
        learningRate: about('At its highest; follows the schedule.', positive),
        weightDecay: about('Of all parameters of the group, biases too.', notNegative),
        frozen: about('Not trained.', flag),
      },
      'must be an object such as { params: "*lora_B*", learningRate: 0.01 }',
    ),
  ),
  v.check(
    ({ frozen, learningRate, weightDecay }) =>
      frozen !== true || (learningRate === undefined && weightDecay === undefined),
    'must not have a learning rate or a weight decay and be frozen',
  ),
);

const train = tied<TrainConfig>()(
  v.strictObject(
    {
      epochs: about('Passes over the training split.', positive),
      maxSteps: about('Stops after so many optimizer steps, whatever `epochs` says.', count),
      batchSize: about('Rows per batch.', count),
      maxTokensPerBatch: about('Padded positions per batch: long rows come in smaller batches.', count),
      maxLength: about('Longest sequence; longer ones are cut.', count),
      lengthBuckets: about(
        'Padded lengths that programs are compiled for.',
        v.pipe(v.array(count, 'must be a list of lengths'), v.nonEmpty('must be a list of at least one length')),
      ),
      optimizer: about('`adamw`, `adam`, `sgd`, `lion` …, or an object with its options.', optimizer),
      learningRate: about('Learning rate at its highest.', positive),
      weightDecay: about('Decoupled; not applied to biases and normalisation weights.', notNegative),
      parameterGroups: about(
        'Other settings for some parameters; the first group that a parameter matches wins.',
        v.array(parameterGroup, 'must be a list of groups'),
      ),
      lrScheduler: about('How the learning rate falls.', lrScheduler),
      warmupRatio: about('Part of the steps in which the learning rate rises from 0.', share),
      maxGradNorm: about('Global norm to which gradients are clipped; 0 turns it off.', notNegative),
      gradientAccumulationSteps: about('Batches per optimizer step.', count),
      gradientCheckpointing: about('Compute repeated blocks again in the backward pass instead of keeping them.', flag),
      precision: about('What frozen linear layers compute in while training.', v.picklist(['fp32', 'int8'])),
      int8Tolerance: about('Largest relative error of a layer in int8.', positive),
      maxMemory: about('Most that the process may have in memory, as bytes or as "4 GB".', memorySize),
      evalSteps: about('Steps between evaluations, besides the one at the end of every epoch.', count),
      earlyStopping: about(
        'Stop when the monitored metric has not improved for so many evaluations.',
        v.strictObject(
          {
            patience: v.pipe(count, v.description('Evaluations without improvement that end it.')),
            minDelta: about('How much better than the best an evaluation must be.', notNegative),
          },
          'must be an object such as { patience: 2 }',
        ),
      ),
      emaDecay: about('Keep a moving average of the weights: its decay per step.', decay),
      loadBestModel: about('Keep the weights of the best evaluation rather than the last.', flag),
      saveSteps: about('Steps between checkpoints.', count),
      maxNonFiniteSteps: about('Non-finite steps in a row after which training fails.', count),
    },
    'must be an object of training options',
  ),
);

const CELL = 'must be a text, a number, or a list of them';
const cell = v.union([v.string(CELL), v.number(CELL)], CELL);

const stageData = tied<StageDataConfig>()(
  v.strictObject(
    {
      where: about(
        'Rows of the training and validation splits that this stage uses: column to accepted value or values.',
        v.record(v.string(), v.union([cell, v.array(cell, CELL)], CELL), 'must be an object of columns'),
      ),
      limit: about('At most so many training rows, chosen by seed.', count),
    },
    'must be an object such as { limit: 1000 }',
  ),
);

/** Looked at by `plugins.ts`. */
const plugins = about(
  'Plugins in order: a name, a name with options, or what a plugin function returned.',
  v.custom<NonNullable<UserConfig['plugins']>>((value) => Array.isArray(value), 'must be a list of plugins'),
);

const stage = tied<StageConfig>()(
  v.strictObject(
    {
      from: about('The stage whose model this one starts from; a new model is built when absent.', text),
      plugins,
      data: about('Which rows this stage trains on.', stageData),
      train: about(
        'Training options of this stage; `false` skips training.',
        v.lazy((value) =>
          typeof value === 'boolean' ? v.literal(false, 'must be `false` or an object of training options') : train,
        ) as v.GenericSchema<false | TrainConfig>,
      ),
      evaluate: about("Measure this stage's model on the test split.", flag),
      emit: about("Write this stage's model to the output folder.", flag),
    },
    'must be an object such as { train: { epochs: 3 } }',
  ),
);

const evaluate = tied<EvaluateConfig>()(
  v.strictObject(
    {
      batchSize: about('Rows per batch.', count),
      latencyRuns: about('Single-row runs that latency is taken from.', count),
    },
    'must be an object such as { batchSize: 32 }',
  ),
);

const URL_TEXT = 'must be an http or https URL';
const url = v.pipe(
  v.string(URL_TEXT),
  v.check((given) => /^https?:\/\//i.test(given) && URL.canParse(given), URL_TEXT),
);
const REMOTE = 'must be a URL, an object such as { url: "https://…" }, or an object with `get` and `put`';
const isStore = (value: unknown): value is RemoteCache =>
  typeof (value as RemoteCache | undefined)?.get === 'function' && typeof (value as RemoteCache).put === 'function';
const remoteSettings = tied<RemoteCacheConfig>()(
  v.strictObject(
    {
      url,
      headers: about(
        'Sent with every request.',
        v.record(v.string(), v.string('must be a text'), 'must be an object of headers'),
      ),
      readOnly: about('Take results, give none.', flag),
      secret: about('Results are signed with this, and only those with a valid signature are taken.', text),
      timeout: about('Milliseconds until an answer must begin.', count),
    },
    REMOTE,
  ),
);
const remote = v.lazy((value) =>
  typeof value === 'string' ? url : isStore(value) ? v.custom<RemoteCache>(isStore) : remoteSettings,
) as v.GenericSchema<string | RemoteCacheConfig | RemoteCache>;

const cache = tied<CacheConfig>()(
  v.strictObject(
    {
      maxSize: about('Most that the cache folder may take, as bytes or as "20 GB".', memorySize),
      remote: about('Where results are shared with other machines.', remote),
    },
    'must be an object such as { maxSize: "20 GB" }',
  ),
);

const CONDITION = 'must be a comparison with a number, such as ">= 0.97" or "<= 20 ms"';
const condition = v.pipe(v.string(CONDITION), v.check(isCondition, CONDITION));

const STAGE_NAME = 'must be a stage name: letters, digits, "-" and "_", beginning with a letter';

const base = {
  name: about('Name of the build, in reports and the model card.', text),
  plugins,
  stages: about(
    'Stages in order.',
    v.record(v.pipe(v.string(), v.regex(/^[a-z][\w-]*$/i, STAGE_NAME)), stage, 'must be an object of stages by name'),
  ),
  train: about("Training options of every stage; a stage's own win.", train),
  gates: about(
    'What the build must reach, by metric.',
    v.record(v.string(), condition, 'must be an object such as { accuracy: ">= 0.97" }'),
  ),
  evaluate: about('How variants are measured.', evaluate),
  backend: about(
    '`onnx`, `tfjs`, or a package name.',
    v.custom<NonNullable<UserConfig['backend']>>(
      (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
      'must be a name or a function that opens a backend',
    ),
  ),
  device: about('`auto`, `cpu`, `webgpu`, `cuda` …', text),
  threads: about('Threads per operator.', count),
  seed: about('Seed of everything random.', whole),
  outDir: about('Where the result goes, relative to the config.', text),
  cacheDir: about('Where results of phases are kept, relative to the config.', text),
  cache: about('How results are kept.', cache),
} satisfies v.ObjectEntries;

const OBJECT = 'must be an object of config keys';
const overrides = tied<Omit<UserConfig, 'env' | 'extends'>>()(v.strictObject(base, OBJECT));
const EXTENDS = 'must be a path or package, or a list of them';

const user = tied<UserConfig>()(
  v.strictObject(
    {
      ...base,
      extends: about(
        'Paths or packages of configs that this one builds on.',
        v.union([text, v.array(text, EXTENDS)], EXTENDS),
      ),
      env: about('Overrides by mode.', v.record(v.string(), overrides, 'must be an object of overrides by mode')),
    },
    OBJECT,
  ),
);

/** What a config file may hold; plugins are only looked at from outside. */
export const userSchema: v.GenericSchema<UserConfig> = user;
/** The same without `extends` and `env`. */
export const overridesSchema: v.GenericSchema<Omit<UserConfig, 'env' | 'extends'>> = overrides;
export const trainSchema: v.GenericSchema<TrainConfig> = train;
