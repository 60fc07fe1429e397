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
  /** The updates are written over the state, see `CompileOptions`. @defaultValue `false` */
  readonly inPlace?: boolean | undefined;
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

/** Trained weights, in bytes, from which a second copy of all state costs more than a second program. */
const SEPARATE_BYTES = 128 * 2 ** 20;

/**
 * Whether a step is two programs, gradients and update, rather than one: where gradients of several batches add up, and
 * where there is so much state that the update should be written over it.
 */
export function updatesApart({ model, trainable }: StepSource, accumulate: boolean): boolean {
  let bytes = 0;
  for (const name of trainable) bytes += 4 * shapeOf(model, name).reduce((a, b) => a * b, 1);
  return accumulate || bytes >= SEPARATE_BYTES;
}

/** State entries of a training run that are zero at first: moments, and gradients where the update is a program apart. */
export function stateShapes(source: StepSource, apart: boolean): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>(apart ? sumShapes(source) : []);
  for (const name of source.trainable) {
    for (const [key, own] of Object.entries(source.optimizer.state(shapeOf(source.model, name), name)))
      shapes.set(stateName.moment(name, key), own);
  }
  return shapes;
}

/** State entries of gradients. */
export function sumShapes({ model, trainable }: StepSource): ReadonlyMap<string, readonly number[]> {
  return new Map([...trainable].map((name) => [stateName.gradient(name), shapeOf(model, name)]));
}

/** The global norm. */
function normOf({ ops, nodes }: GraphBuilder, gradients: ReadonlyMap<string, Value>): Value {
  // By their norms: the squares of a large gradient are never written.
  const squares = inOrderOf(nodes, gradients.values()).map((gradient) => {
    const norm = ops.norm(gradient);
    return ops.mul(norm, norm);
  });
  return ops.sqrt(squares.reduce((a, b) => ops.add(a, b)));
}

/**
 * Clips by the global norm and applies the optimizer; declares the outputs and returns the updates.
 *
 * @param norm of the gradients, divided by `weight` where that is given
 * @param weight what the gradients are to be divided by
 */
function traceUpdate(
  g: GraphBuilder,
  source: StepSource,
  parameters: ReadonlyMap<string, Value>,
  raw: ReadonlyMap<string, Value>,
  { norm, weight }: { readonly norm: Value; readonly weight?: Value },
): Record<string, string> {
  const { ops } = g;
  const { optimizer, maxGradNorm, weightDecay, emaDecay } = source;
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
    const scaled = scale ? ops.mul(gradient, scale) : gradient;
    // Where gradients are state, they are scaled in place: that is a tensor less for the largest of them.
    if (weight !== undefined && scaled !== gradient) keep(stateName.gradient(name), scaled);
    const next = optimizer.update(parameter, scaled, moments, {
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
  return updates;
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
  const norm = normOf(g, found);
  g.output(RESULT.gradNorm, norm);
  const updates = traceUpdate(g, source, parameters, found, { norm });
  // A loss that is not finite may have gradients that are.
  g.output(RESULT.guard, g.ops.add(norm, g.ops.mul(loss, 0)));
  return { graph: g.build({ name: `${source.stage}/step` }), updates, scalars, randoms };
}

/** Forward and backward of a batch that is a step; the gradients stay with the backend. */
export function traceGradientStep(source: StepSource, batchSize: number, length: number | undefined): StepProgram {
  const { g, loss, gradients: found, scalars, randoms } = traceGradients(source, batchSize, length);
  g.output(RESULT.loss, loss);
  g.output(RESULT.gradNorm, normOf(g, found));
  const updates: Record<string, string> = {};
  for (const [name, gradient] of found) {
    const state = stateName.gradient(name);
    g.output(`next:${state}`, gradient);
    updates[`next:${state}`] = state;
  }
  return { graph: g.build({ name: `${source.stage}/gradients` }), updates, inPlace: true, scalars, randoms };
}

/**
 * Forward and backward of a micro-batch: adds `weight · gradient` to the sums of the step. The loss is a mean over that
 * weight, so sums over the sum of weights are the mean over the whole step.
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
  for (const [name, gradient] of found) {
    const state = stateName.gradient(name);
    g.output(`next:${state}`, ops.add(g.input(state, 'float32', gradient.dims), ops.mul(gradient, weight)));
    updates[`next:${state}`] = state;
  }
  return { graph: g.build({ name: `${source.stage}/accumulate` }), updates, scalars, randoms };
}

/** The norm of the gradients that are with the backend. */
export function traceNorm(source: StepSource): StepProgram {
  const g = new GraphBuilder();
  const weight = g.input(FEED.weight, 'float32', []);
  g.output(RESULT.gradNorm, g.ops.div(normOf(g, gradientInputs(g, source)), weight));
  return { graph: g.build({ name: `${source.stage}/norm` }), updates: {}, scalars: new Map(), randoms: new Map() };
}

/** Update from the gradients that are with the backend, written over the state: the host knows that they are finite. */
export function traceApply(source: StepSource): StepProgram {
  const g = new GraphBuilder();
  const parameters = new Map<string, Value>();
  for (const name of source.trainable) {
    parameters.set(name, g.input(stateName.parameter(name), 'float32', shapeOf(source.model, name)));
  }
  const updates = traceUpdate(g, source, parameters, gradientInputs(g, source), {
    norm: g.input(FEED.gradNorm, 'float32', []),
    weight: g.input(FEED.weight, 'float32', []),
  });
  const graph = g.build({ name: `${source.stage}/apply` });
  return { graph, updates, inPlace: true, scalars: new Map(), randoms: new Map() };
}

function gradientInputs(g: GraphBuilder, { model, trainable }: StepSource): ReadonlyMap<string, Value> {
  return new Map(
    [...trainable].map((name) => [name, g.input(stateName.gradient(name), 'float32', shapeOf(model, name))]),
  );
}
