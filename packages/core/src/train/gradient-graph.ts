import {
  canonicalize,
  type Graph,
  gradients,
  GraphBuilder,
  inline,
  type Node,
  type NodeRewriter,
  repeatedBlocks,
  type Shape,
  type TensorSource,
  type Value,
} from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import type { Model } from '../model.ts';
import type { RandomInput, StepProgram, StepSource } from './step-graph.ts';
import { FEED, stateName } from './step-names.ts';
import type { Schedule, StepContext } from './types.ts';

/** Forward and backward of a batch, as far as the programs of a step have them in common. */
export interface TracedGradients extends Pick<StepProgram, 'scalars' | 'randoms'> {
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

  // Imported models compute their shapes: with sizes bound, that becomes constants, and gradients need them.
  const { graph } = canonicalize(model.graph, { dims: dimsOf(model.graph, batchSize, length), integers: 'keep' });
  // Dropout is the identity in the model's graph; here its mask is drawn by the host, so that a resumed run repeats it.
  const dropout: NodeRewriter = (node, [x]) => {
    if (node.op !== 'Dropout' || x === undefined) return undefined;
    const rate = node.inputs[1] && Number(graph.constants.get(node.inputs[1])?.data[0] ?? 0);
    const dropped = Math.round(256 * (rate ?? 0));
    if (dropped === 0) return [x];
    return g.scope(node.scope, () => {
      if (dropped >= 256) return [ops.mul(x, 0)];
      const mask = draw(`dropout:${node.scope}`, x.dims, { kind: 'keep-mask', dropped });
      return [ops.where(mask, ops.mul(x, 256 / (256 - dropped)), 0)];
    });
  };
  const modelInputs = Object.fromEntries([...model.graph.inputs.keys()].map((name) => [name, features[name] as Value]));
  const outputs = inline(g, graph, {
    inputs: { ...hooks.train.transformInputs.call(modelInputs, step) },
    // What this stage leaves as it is, is frozen, whatever the model says: losses ask for it.
    parameter: (name, { data, transposed }) => parameters.get(name) ?? g.parameter(name, data, { transposed }),
    node: dropout,
  });
  const targets = hooks.train.transformTargets.call(task.traceTargets(features, step), step);
  const compared = hooks.train.transformOutputs.call(outputs, step);
  const loss = hooks.train.transformLoss.call(task.traceLoss(compared, targets, step), {
    ...step,
    outputs: compared,
    targets,
  });
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

/** @throws AnnealError `ANNEAL_E_MODEL` when the model does not have it */
export function parameterOf({ graph }: Model, name: string): TensorSource {
  const parameter = graph.parameters.get(name);
  if (parameter === undefined) throw new AnnealError('ANNEAL_E_MODEL', `the model has no parameter "${name}"`);
  return parameter.data;
}

/** Shape of a parameter. */
export function shapeOf(model: Model, name: string): readonly number[] {
  return parameterOf(model, name).shape;
}
