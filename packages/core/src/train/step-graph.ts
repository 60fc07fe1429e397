import {
  type Graph,
  gradients,
  GraphBuilder,
  inline,
  type Node,
  type NodeRewriter,
  repeatedBlocks,
  type Shape,
  type Value,
} from '@anneal/graph';

import type { FeatureSpec } from '../data/batches.ts';
import { AnnealError } from '../errors/error.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { Model } from '../model.ts';
import type { Task } from '../task.ts';
import type { Optimizer, RandomSpec, Schedule, StepContext } from './types.ts';

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
  readonly maxGradNorm: number;
  /** Decay of the moving average of the weights; `undefined` for none. */
  readonly emaDecay?: number | undefined;
  /** Repeated blocks are computed again in the backward pass instead of being kept. @defaultValue `false` */
  readonly recompute?: boolean | undefined;
}

/** Names of state entries. */
export const stateName = {
  parameter: (name: string): string => `param:${name}`,
  moment: (name: string, key: string): string => `opt:${name}:${key}`,
  /** What the micro-batches of a step have added up so far: weighted gradients, and their weight. Zero between steps. */
  gradient: (name: string): string => `sum:gradient:${name}`,
  weight: 'sum:weight',
  isSum: (entry: string): boolean => entry.startsWith('sum:'),
  average: (name: string): string => `ema:${name}`,
} as const;

/** Graph inputs that the engine itself feeds. No input of a model has such a name. */
export const FEED = {
  learningRate: 'train:learning_rate',
  step: 'train:step',
  sampleWeights: 'train:sample_weights',
} as const;
/** Graph outputs that the engine itself reads. */
export const RESULT = {
  loss: 'loss',
  weight: 'weight',
  gradNorm: 'grad_norm',
  guard: 'guard',
} as const;

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

function shapeOf(model: Model, name: string): readonly number[] {
  const parameter = model.graph.parameters.get(name);
  if (parameter === undefined) throw new AnnealError('ANNEAL_E_MODEL', `the model has no parameter "${name}"`);
  return parameter.data.shape;
}

/** Forward and backward of a batch, as far as the programs of a step have them in common. */
interface TracedGradients extends Pick<StepProgram, 'scalars' | 'randoms'> {
  readonly g: GraphBuilder;
  readonly parameters: ReadonlyMap<string, Value>;
  /** The nodes of the forward pass, in order. */
  readonly forward: readonly Node[];
  readonly loss: Value;
  /** The denominator of the loss; traced when asked for. */
  readonly weight: () => Value;
  /** By parameter, after `train.transformGradients`. */
  readonly gradients: ReadonlyMap<string, Value>;
}

/** Forward, loss and gradients of `batchSize` rows. */
export function traceGradients(source: StepSource, batchSize: number, length: number | undefined): TracedGradients {
  const { model, task, hooks, specs, trainable, stage } = source;
  const g = new GraphBuilder();
  const scalars = new Map<string, Schedule>();
  const randoms = new Map<string, RandomInput>();
  const { ops } = g;
  const features: Record<string, Value> = {};
  for (const { name, dtype, shape } of specs) {
    const dims = shape.map((dim) => (dim === 'sequence' ? (length ?? 0) : dim));
    features[name] = g.input(name, dtype, [batchSize, ...dims]);
  }
  const parameters = new Map<string, Value>();
  for (const name of trainable) {
    parameters.set(name, g.input(stateName.parameter(name), 'float32', shapeOf(model, name)));
  }
  const draw = (name: string, shape: readonly number[], distribution: RandomInput['distribution']): Value => {
    let unique = name;
    for (let i = 1; randoms.has(unique); i++) unique = `${name}#${i}`;
    randoms.set(unique, { shape, distribution });
    return g.input(unique, distribution.kind === 'keep-mask' ? 'bool' : 'float32', shape);
  };
  const step: StepContext = {
    ops,
    task,
    stage,
    features,
    batchSize,
    sampleWeights: g.input(FEED.sampleWeights, 'float32', [batchSize]),
    parameters,
    scalar: (name, schedule) => {
      let unique = `scalar:${name}`;
      for (let i = 1; scalars.has(unique); i++) unique = `scalar:${name}#${i}`;
      scalars.set(unique, schedule);
      return g.input(unique, 'float32', []);
    },
    random: (name, shape, distribution) => draw(`random:${name}`, shape, distribution),
  };

  // Dropout is the identity in the model's graph; here its mask is drawn by the host, so that a resumed run repeats it.
  const dropout: NodeRewriter = (node, [x]) => {
    if (node.op !== 'Dropout' || x === undefined) return undefined;
    const rate = node.inputs[1] && Number(model.graph.constants.get(node.inputs[1])?.data[0] ?? 0);
    const dropped = Math.round(256 * (rate ?? 0));
    if (dropped === 0) return [x];
    return g.scope(node.scope, () => {
      if (dropped >= 256) return [ops.mul(x, 0)];
      const mask = draw(`dropout:${node.scope}`, x.dims, { kind: 'keep-mask', dropped });
      return [ops.where(mask, ops.mul(x, 256 / (256 - dropped)), 0)];
    });
  };
  const modelInputs = Object.fromEntries([...model.graph.inputs.keys()].map((name) => [name, features[name] as Value]));
  const outputs = inline(g, model.graph, {
    inputs: { ...hooks.train.transformInputs.call(modelInputs, step) },
    dims: dimsOf(model.graph, batchSize, length),
    parameter: (name) => parameters.get(name),
    node: dropout,
  });
  const targets = hooks.train.transformTargets.call(task.traceTargets(features, step), step);
  const loss = hooks.train.transformLoss.call(
    task.traceLoss(hooks.train.transformOutputs.call(outputs, step), targets, step),
    step,
  );
  checkScalar('the loss', loss);
  const forward = [...g.nodes];
  const recompute = source.recompute === true ? blockOfNode(forward) : undefined;
  const found = gradients(g, loss, [...parameters.values()], { recompute });
  const named = new Map([...parameters].map(([name, value]) => [name, found.get(value) as Value]));
  const transformed = hooks.train.transformGradients.call(named, step);
  for (const [name, { shape }] of parameters) checkGradient(name, shape, transformed.get(name));
  return {
    g,
    scalars,
    randoms,
    parameters,
    forward,
    loss,
    weight: () => {
      const weight = task.traceWeight?.(features, step, targets) ?? ops.sum(step.sampleWeights);
      checkScalar('the weight of a batch', weight);
      return weight;
    },
    gradients: new Map([...parameters.keys()].map((name) => [name, transformed.get(name) as Value])),
  };
}

function blockOfNode(nodes: readonly Node[]): (node: Node) => string | undefined {
  const blockOf = repeatedBlocks(nodes.map(({ scope }) => scope));
  return ({ scope }) => blockOf(scope);
}

function checkScalar(what: string, { rank, dtype, shape }: Value): void {
  if (rank === 0 && dtype === 'float32') return;
  throw new AnnealError('ANNEAL_E_SHAPE', `${what} must be a float32 scalar, received ${dtype}[${shape.join(', ')}]`);
}

function checkGradient(name: string, shape: Shape, gradient: Value | undefined): void {
  if (gradient?.dtype === 'float32' && gradient.shape.join() === shape.join()) return;
  const received = gradient ? `${gradient.dtype}[${gradient.shape.join(', ')}]` : 'none';
  throw new AnnealError(
    'ANNEAL_E_TRAIN',
    `\`train.transformGradients\` must give "${name}" a gradient float32[${shape.join(', ')}], received ${received}`,
  );
}

/** Sizes of the symbolic dimensions of a model's inputs: the first is the batch, all others are lengths. */
export function dimsOf(graph: Graph, batch: number, length: number | undefined): Record<string, number> {
  const dims: Record<string, number> = { batch };
  for (const value of graph.inputs.values()) {
    for (const dim of value.shape.slice(1)) if (typeof dim === 'string' && length !== undefined) dims[dim] = length;
  }
  return dims;
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
    const next = optimizer.update(parameter, scale ? ops.mul(gradient, scale) : gradient, moments, {
      ops,
      learningRate,
      step,
      // Biases and normalisation weights are not decayed: their norm has no meaning.
      weightDecay: parameter.rank > 1 ? weightDecay : 0,
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
