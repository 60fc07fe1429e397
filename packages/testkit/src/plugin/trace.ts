import { type Plugin, random, type RandomSpec, type LossContext, type StepProgress } from '@anneal/core';
import { type Graph, GraphBuilder, isFloat, sizeOf, tensor, type TensorData, type Value } from '@anneal/graph';

import { setupPlugin, stepContext } from '../setup-plugin.ts';
import { tinyClassificationTask } from '../tiny/classification.ts';
import type { TracedCase, TracedValue } from './types.ts';

/** What a hook made of the tensors of a case, as a graph under construction. */
export interface Traced {
  readonly g: GraphBuilder;
  /** What went in, by name. */
  readonly given: ReadonlyMap<string, Value>;
  /** What came out, by the names of the case. */
  readonly made: ReadonlyMap<string, Value>;
  /** Inputs that gradients may be asked for: what went in, features and parameters, as far as they are floats. */
  readonly variables: ReadonlyMap<string, Value>;
  readonly feeds: Readonly<Record<string, TensorData>>;
}

/** The name of a value that has none. */
const ONLY = 'value';
const PROGRESS: StepProgress = { step: 0, totalSteps: 10, epoch: 0 };

export const isTensor = (value: TracedValue): value is TensorData =>
  'dtype' in value && typeof value.dtype === 'string';

/** Tensors by name; a single one is called `value`. */
export function named(value: TracedValue): ReadonlyMap<string, TensorData> {
  return new Map(isTensor(value) ? [[ONLY, value]] : Object.entries(value));
}

/** Numbers of a distribution, the same for the same name. */
function drawn(name: string, count: number, spec: RandomSpec): ArrayLike<number> {
  const stream = random(0, 'testkit', name);
  switch (spec.kind) {
    case 'uniform':
      return stream.uniform(count, spec);
    case 'normal':
      return stream.normal(count, spec);
    case 'bernoulli':
      return stream.uniform(count).map((value) => Number(value < spec.rate));
    case 'dropout':
      return stream.uniform(count).map((value) => (value < spec.rate ? 0 : 1 / (1 - spec.rate)));
  }
}

/** Sets the plugin up and lets its taps of the hook work on inputs of the types of the case. */
export async function trace<In>(plugin: Plugin, test: TracedCase<In>): Promise<Traced> {
  const { hook, value, features = {}, parameters = {}, outputs = {}, targets, task, progress } = test;
  const setup = await setupPlugin(plugin);
  const taps = setup.taps('train', hook);
  if (taps.length === 0) throw new Error(`the plugin does not tap train.${hook}`);
  const g = new GraphBuilder();
  const feeds: Record<string, TensorData> = {};
  const input = (name: string, data: TensorData): Value => {
    feeds[name] = data;
    return g.input(name, data.dtype, data.shape);
  };
  const inputs = (prefix: string, tensors: Iterable<[string, TensorData]>): Map<string, Value> =>
    new Map([...tensors].map(([name, data]) => [name, input(`${prefix}:${name}`, data)]));
  const unique = (name: string): string => (name in feeds ? unique(`${name}'`) : name);
  const [given, batch, weights, compared] = [
    inputs('value', named(value)),
    inputs('feature', Object.entries(features)),
    inputs('parameter', Object.entries(parameters)),
    inputs('output', Object.entries(outputs)),
  ];
  const [first] = [...Object.values(features), ...Object.values(outputs), ...named(value).values()];
  const batchSize = first?.shape[0] ?? 1;
  const step: LossContext = stepContext(g, {
    task: { ...tinyClassificationTask, ...task },
    batchSize,
    features: Object.fromEntries(batch),
    parameters: weights,
    outputs: Object.fromEntries(compared),
    ...(targets === undefined ? {} : { targets: input('targets', targets) }),
    sampleWeights: input(
      'sample_weights',
      tensor(
        'float32',
        [batchSize],
        Array.from({ length: batchSize }, () => 1),
      ),
    ),
    scalar: (name, schedule) => {
      const now = typeof schedule === 'number' ? schedule : schedule({ ...PROGRESS, ...progress });
      return input(unique(`scalar:${name}`), tensor('float32', [], [now]));
    },
    random: (name, shape, spec) =>
      input(unique(`random:${name}`), tensor('float32', shape, Array.from(drawn(name, sizeOf(shape), spec)))),
  });
  const isOne = hook === 'transformTargets' || hook === 'transformLoss';
  let current: unknown = isOne ? given.get(ONLY) : hook === 'transformGradients' ? given : Object.fromEntries(given);
  if (current === undefined) throw new Error(`train.${hook} takes one tensor, received tensors by name`);
  for (const tap of taps as readonly ((value: unknown, step: LossContext) => unknown)[])
    current = tap(current, step) ?? current;
  const made = isOne
    ? new Map([[ONLY, current as Value]])
    : current instanceof Map
      ? current
      : Object.entries(current as object);
  const all = [...given, ...batch, ...weights, ...compared].map(([, found]) => found);
  return {
    g,
    given,
    made: new Map(made as Iterable<[string, Value]>),
    variables: new Map(all.filter(({ dtype }) => isFloat(dtype)).map((found) => [found.name, found])),
    feeds,
  };
}

/** The graph of what came out. */
export function graphOf({ g, made }: Traced): Graph {
  for (const [name, value] of made) g.output(name, g.ops.identity(value));
  return g.build({ name: 'traced' });
}
