import { type Graph, GraphBuilder, type Node, type Value } from '@anneal/graph';

import type { FeatureSpec } from '../data/batches.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { Model } from '../model.ts';
import type { Task } from '../task.ts';
import { shapeOf, traceGradients } from './gradient-graph.ts';
import { FEED, RESULT, stateName } from './step-names.ts';
import type { Optimizer, RandomSpec, Schedule } from './types.ts';

export { FEED, RESULT, stateName } from './step-names.ts';

/** A tensor that the host draws for every step: float32, or bool for a mask. */
export interface RandomInput {
  readonly shape: readonly number[];
  readonly distribution: RandomSpec | KeepMask;
}

/** `true` with probability `1 - dropped / 256`. A byte of randomness decides, so that large masks are cheap. */
export interface KeepMask {
  readonly kind: 'keep-mask';
  readonly dropped: number;
}

/** A traced program of a training step, and what the host must feed it. */
export interface StepProgram {
  readonly graph: Graph;
  /** Outputs that replace state: `{ [output]: stateName }`. */
  readonly updates: Readonly<Record<string, string>>;
  readonly scalars: ReadonlyMap<string, Schedule>;
  readonly randoms: ReadonlyMap<string, RandomInput>;
}

/** What a step is traced from. */
export interface StepSource {
  readonly stage: string;
  readonly model: Model;
  readonly task: Task;
  readonly hooks: CallableHooks;
  readonly specs: readonly FeatureSpec[];
  /** Names of the trained parameters. */
  readonly trainable: ReadonlySet<string>;
  readonly optimizer: Optimizer;
  readonly weightDecay: number;
  /** Parameters with settings of their own. */
  readonly settings?: ReadonlyMap<string, ParameterSettings> | undefined;
  readonly maxGradNorm: number;
  /** Decay of the moving average of the weights; `undefined` for none. */
  readonly emaDecay?: number | undefined;
  /** Repeated blocks are computed again in the backward pass instead of being kept. @defaultValue `false` */
  readonly recompute?: boolean | undefined;
}

/** How a parameter differs from the others. */
export interface ParameterSettings {
  /** Its learning rate in relation to that of the step. */
  readonly rateRatio: number;
  /** @defaultValue that of the step, for matrices */
  readonly weightDecay?: number | undefined;
}

/** State entries of a training run that are zero at first: moments (and the sums of gradients when they accumulate). */
export function stateShapes(source: StepSource, accumulate: boolean): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>(accumulate ? sumShapes(source) : []);
  for (const name of source.trainable) {
    for (const [key, own] of Object.entries(source.optimizer.state(shapeOf(source.model, name), name)))
      shapes.set(stateName.moment(name, key), own);
  }
  return shapes;
}

/** State entries that the micro-batches of a step add to. */
export function sumShapes({ model, trainable }: StepSource): ReadonlyMap<string, readonly number[]> {
  const gradientShapes = [...trainable].map((name) => [stateName.gradient(name), shapeOf(model, name)] as const);
  return new Map<string, readonly number[]>([[stateName.weight, []], ...gradientShapes]);
}

/**
 * Clips by the global norm and applies the optimizer; declares the outputs and returns the updates and the norm.
 *
 * @param weight what the gradients are to be divided by
 */
function traceUpdate(
  g: GraphBuilder,
  source: StepSource,
  parameters: ReadonlyMap<string, Value>,
  raw: ReadonlyMap<string, Value>,
  weight?: Value,
): { updates: Record<string, string>; norm: Value } {
  const { ops } = g;
  const { optimizer, maxGradNorm, weightDecay, emaDecay } = source;
  const squares = inOrderOf(g.nodes, raw.values()).map((gradient) => ops.sum(ops.mul(gradient, gradient)));
  const total = ops.sqrt(squares.reduce((a, b) => ops.add(a, b)));
  const norm = weight ? ops.div(total, weight) : total;
  g.output(RESULT.gradNorm, norm);
  // torch.nn.utils.clip_grad_norm_: min(1, max / (norm + 1e-6)).
  const clip = maxGradNorm > 0 ? ops.minimum(ops.div(maxGradNorm, ops.add(norm, 1e-6)), 1) : undefined;
  // One factor for both, so that large gradients are read once.
  const scale = weight ? ops.div(clip ?? 1, weight) : clip;
  const [learningRate, step] = [g.input(FEED.learningRate, 'float32', []), g.input(FEED.step, 'float32', [])];
  const updates: Record<string, string> = {};
  const keep = (state: string, value: Value): void => {
    updates[`next:${state}`] = state;
    g.output(`next:${state}`, value);
  };
  for (const [name, parameter] of parameters) {
    const gradient = raw.get(name) as Value;
    const shapes = optimizer.state(parameter.dims, name);
    const moments = Object.fromEntries(
      Object.entries(shapes).map(([key, shape]) => [key, g.input(stateName.moment(name, key), 'float32', shape)]),
    );
    const { rateRatio = 1, weightDecay: ownDecay } = source.settings?.get(name) ?? {};
    const next = optimizer.update(parameter, scale ? ops.mul(gradient, scale) : gradient, moments, {
      ops,
      learningRate: rateRatio === 1 ? learningRate : ops.mul(learningRate, rateRatio),
      step,
      // Biases and normalisation weights are not decayed unless asked for: their norm has no meaning.
      weightDecay: ownDecay ?? (parameter.rank > 1 ? weightDecay : 0),
      name,
      transposed: source.model.graph.parameters.get(name)?.transposed ?? false,
    });
    keep(stateName.parameter(name), next.parameter);
    for (const [key, value] of Object.entries(next.state)) keep(stateName.moment(name, key), value);
    if (emaDecay !== undefined) {
      // As TensorFlow's ExponentialMovingAverage with `num_updates`: the first weights do not weigh for ever.
      const decay = ops.minimum(ops.div(ops.add(step, 1), ops.add(step, 10)), emaDecay);
      const state = stateName.average(name);
      const before = g.input(state, 'float32', parameter.shape);
      keep(state, ops.add(next.parameter, ops.mul(ops.sub(before, next.parameter), decay)));
    }
  }
  return { updates, norm };
}

/**
 * The values in the order in which they are computed. A runtime that goes depth first from the results begins with the
 * innermost term of a sum: were that the gradient of the first layer, the backward pass would go down to it with all
 * that the gradients of the other layers need still in memory.
 */
function inOrderOf(nodes: readonly Node[], values: Iterable<Value>): readonly Value[] {
  const rank = new Map<Value | undefined, number>();
  for (const [i, { outputs }] of nodes.entries()) for (const value of outputs) rank.set(value, i);
  return [...values].sort((a, b) => (rank.get(a) ?? -1) - (rank.get(b) ?? -1));
}

/** Forward, backward and update in one program: the fast path when every batch is a step. */
export function traceStep(source: StepSource, batchSize: number, length: number | undefined): StepProgram {
  const { g, loss, gradients: found, parameters, scalars, randoms } = traceGradients(source, batchSize, length);
  g.output(RESULT.loss, loss);
  const { updates, norm } = traceUpdate(g, source, parameters, found);
  // A loss that is not finite may have gradients that are.
  g.output(RESULT.guard, g.ops.add(norm, g.ops.mul(loss, 0)));
  return { graph: g.build({ name: `${source.stage}/step` }), updates, scalars, randoms };
}

/**
 * Forward and backward of a micro-batch: adds its weight and `weight · gradient` to the sums of the step. The loss is a
 * mean over that weight, so sums over sums are the mean over the whole step.
 */
export function traceAccumulate(source: StepSource, batchSize: number, length: number | undefined): StepProgram {
  const { g, loss, weight: trace, gradients: found, scalars, randoms } = traceGradients(source, batchSize, length);
  const { ops } = g;
  const weight = trace();
  g.output(RESULT.loss, loss);
  g.output(RESULT.weight, weight);
  // Not finite for a batch without any weight, whose loss is 0 / 0: it leaves the sums as they are.
  g.output(RESULT.guard, ops.div(0, weight));
  const updates: Record<string, string> = {};
  const add = (state: string, value: Value): void => {
    g.output(`next:${state}`, ops.add(g.input(state, 'float32', value.dims), value));
    updates[`next:${state}`] = state;
  };
  add(stateName.weight, weight);
  for (const [name, gradient] of found) add(stateName.gradient(name), ops.mul(gradient, weight));
  return { graph: g.build({ name: `${source.stage}/accumulate` }), updates, scalars, randoms };
}

/** Update from the accumulated gradients; the sums are zero afterwards. */
export function traceApply(source: StepSource): StepProgram {
  const g = new GraphBuilder();
  const { ops } = g;
  const parameters = new Map<string, Value>();
  const found = new Map<string, Value>();
  const weight = g.input(stateName.weight, 'float32', []);
  for (const name of source.trainable) {
    const shape = shapeOf(source.model, name);
    parameters.set(name, g.input(stateName.parameter(name), 'float32', shape));
    found.set(name, g.input(stateName.gradient(name), 'float32', shape));
  }
  const { updates, norm } = traceUpdate(g, source, parameters, found, weight);
  g.output(RESULT.guard, ops.identity(norm));
  for (const [state, shape] of sumShapes(source)) {
    g.output(`next:${state}`, ops.zeros(shape));
    updates[`next:${state}`] = state;
  }
  return { graph: g.build({ name: `${source.stage}/apply` }), updates, scalars: new Map(), randoms: new Map() };
}
