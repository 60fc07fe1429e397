import {
  gradients,
  int8InputGradient,
  type Int8Layer,
  int8Layers,
  int8Linears,
  int8Values,
  type Node,
  type Ops,
  type TensorData,
  type Value,
  withParameters,
} from '@anneal/graph';

import type { Model } from '../model.ts';
import { traceGradients } from './gradient-graph.ts';
import type { BatchShape } from './programs.ts';
import type { StepProgram, StepSource } from './step-graph.ts';

/** What computing frozen layers in int8 costs in accuracy; errors are relative, `‖int8 − fp32‖ / ‖fp32‖`. */
export interface Int8Report {
  /** Layers that compute in int8. */
  readonly layers: number;
  /** The largest error among them, of an output or of the gradient of an input. */
  readonly largestError: number;
  /** Layers that stay as they are because their error is larger than `int8Tolerance`. */
  readonly kept: readonly { readonly path: string; readonly error: number }[];
}

/** Runs a program once with a batch of real rows, the trained parameters among its feeds. */
export type Probe = (program: StepProgram, shape: BatchShape) => Promise<Readonly<Record<string, TensorData>>>;

/** The most that an error may be. Rounding to 127 steps alone costs one to two percent. */
export const INT8_TOLERANCE = 0.1;

const RESULT = 'errors';

/**
 * The model with its frozen linear layers in int8, forward and backward, except where that costs too much: the errors of
 * every layer's output, and of the gradient of its input, are measured on one row of the data.
 *
 * @returns `undefined` when the model has no frozen linear layer
 */
export async function int8Model(
  source: StepSource,
  { shape, probe, tolerance = INT8_TOLERANCE }: { shape: BatchShape; probe: Probe; tolerance?: number | undefined },
): Promise<{ readonly model: Model; readonly report: Int8Report } | undefined> {
  const { model, trainable } = source;
  const layers = await int8Layers(withParameters(model.graph, (name) => ({ trainable: trainable.has(name) })));
  if (layers.size === 0) return undefined;
  const errors = await measureErrors(source, layers, shape, probe);
  // What is not a number is not small.
  const isSmall = (weight: string): boolean => (errors.get(weight) ?? 0) <= tolerance;
  const used = new Map([...layers].filter(([weight]) => isSmall(weight)));
  const kept = [...layers.keys()]
    .filter((weight) => !isSmall(weight))
    .map((weight) => ({ path: weight.replace(/\.weight$/, ''), error: errors.get(weight) ?? Number.NaN }));
  const largestError = [...used.keys()].reduce((most, weight) => Math.max(most, errors.get(weight) ?? 0), 0);
  const graph = int8Linears(model.graph, used);
  return { model: { ...model, graph }, report: { layers: used.size, largestError, kept } };
}

/** The larger of the two errors of each layer, by its weight. */
async function measureErrors(
  source: StepSource,
  layers: ReadonlyMap<string, Int8Layer>,
  shape: BatchShape,
  probe: Probe,
): Promise<ReadonlyMap<string, number>> {
  const { g, forward, loss, scalars, randoms } = traceGradients(source, shape.size, shape.length);
  const places = productsOf(forward, layers);
  const found = gradients(
    g,
    loss,
    [...places.values()].map(({ output }) => output),
    { unused: 'omit' },
  );
  const weights: string[] = [];
  const errors: Value[] = [];
  for (const [weight, { x, output }] of places) {
    const values = int8Values(g, weight, layers.get(weight) as Int8Layer);
    weights.push(weight);
    errors.push(relativeError(g.ops, g.ops.int8Linear(x, values), output));
    // A loss over many classes has the gradient of the output layer in itself.
    const dy = found.get(output);
    const exact = dy && gradients(g, output, [x], { seed: dy, unused: 'omit' }).get(x);
    if (dy === undefined || exact === undefined) continue;
    weights.push(weight);
    errors.push(relativeError(g.ops, int8InputGradient(g.ops, dy, values.transposed, values.transposedScale), exact));
  }
  g.output(RESULT, g.ops.concat(errors, { axis: 0 }));
  const graph = g.build({ name: `${source.stage}/int8` });
  const result = await probe({ graph, updates: {}, scalars, randoms }, shape);
  const largest = new Map<string, number>();
  weights.forEach((weight, i) => {
    const error = Number(result[RESULT]?.data[i]);
    largest.set(weight, Number.isNaN(error) ? error : Math.max(largest.get(weight) ?? 0, error));
  });
  return largest;
}

/** The first product with each of the weights. */
function productsOf(
  forward: readonly Node[],
  layers: ReadonlyMap<string, Int8Layer>,
): ReadonlyMap<string, { readonly x: Value; readonly output: Value }> {
  const places = new Map<string, { x: Value; output: Value }>();
  for (const { op, inputs, outputs } of forward) {
    const [x, weight] = inputs;
    const [output] = outputs;
    if ((op !== 'MatMul' && op !== 'FusedMatMul') || !x || !weight || !output) continue;
    if (layers.has(weight.name) && !places.has(weight.name)) places.set(weight.name, { x, output });
  }
  return places;
}

/** `[1]`: 0 where both are zero. */
function relativeError(ops: Ops, approximate: Value, exact: Value): Value {
  const norm = ops.maximum(ops.norm(exact), 1e-30);
  return ops.reshape(ops.div(ops.norm(ops.sub(approximate, exact)), norm), [1]);
}
