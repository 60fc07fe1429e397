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

/**
 * What computing frozen layers in int8 costs in accuracy. An error is the mean over tokens of `‖int8 − fp32‖ / ‖fp32‖`:
 * over all at once, a token that is a hundred times as large as the others would hide that they are lost.
 */
export interface Int8Report {
  /** Layers that compute in int8. */
  readonly layers: number;
  /** Those of them that divide each token by its largest element first, which takes longer. */
  readonly rowwise: number;
  /** The largest error among them, of an output or of the gradient of an input. */
  readonly largestError: number;
  /** Layers that stay as they are because their error is larger than `int8Tolerance`. */
  readonly kept: readonly { readonly path: string; readonly error: number }[];
}

/** Runs a program once with a batch of real rows, the trained parameters among its feeds. */
export type Probe = (program: StepProgram, shape: BatchShape) => Promise<Readonly<Record<string, TensorData>>>;

/** The most that an error may be. Rounding to 127 steps alone costs one to two percent. */
export const INT8_TOLERANCE = 0.1;

/**
 * The most for the gradient of an output layer. All that is learned passes through it, and rounding does not only blur it:
 * it takes away what is improbable, in every step again, which added up to 16 % of the loss after 200 steps.
 */
const OUTPUT_TOLERANCE = 0.02;
/** How much less accurate one step for all tokens may be before they are taken apart. */
const PLAIN_MARGIN = 1.25;

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
  const used = new Map<string, Int8Layer>();
  const kept: { path: string; error: number }[] = [];
  let [rowwise, largestError] = [0, 0];
  for (const [weight, layer] of layers) {
    const measured = errors.get(weight);
    // Not a part of the forward pass: nothing to gain.
    if (measured === undefined) continue;
    const { plain, apart, gradient, isOutput } = measured;
    const own = plain <= tolerance && plain <= PLAIN_MARGIN * apart ? plain : apart;
    const error = Number.isNaN(gradient) ? gradient : Math.max(own, gradient);
    // What is not a number is not small.
    if (!(error <= tolerance) || (isOutput && gradient > OUTPUT_TOLERANCE)) {
      kept.push({ path: weight.replace(/\.weight$/, ''), error });
      continue;
    }
    largestError = Math.max(largestError, error);
    if (own !== plain) rowwise++;
    used.set(weight, { ...layer, rowwise: own !== plain });
  }
  const graph = int8Linears(model.graph, used);
  return { model: { ...model, graph }, report: { layers: used.size, rowwise, largestError, kept } };
}

/** Of the output with one step for all tokens, or with tokens apart; of the gradient of the input. */
interface LayerErrors {
  readonly plain: number;
  readonly apart: number;
  readonly gradient: number;
  /** The loss computes this layer's part of the gradient itself. */
  readonly isOutput: boolean;
}

async function measureErrors(
  source: StepSource,
  layers: ReadonlyMap<string, Int8Layer>,
  shape: BatchShape,
  probe: Probe,
): Promise<ReadonlyMap<string, LayerErrors>> {
  const { g, forward, loss, scalars, randoms } = traceGradients(source, shape.size, shape.length);
  const { ops } = g;
  const places = productsOf(forward, layers);
  const outputs = [...places.values()].map(({ output }) => output);
  const found = gradients(g, loss, outputs, { unused: 'omit' });
  const errors: Value[] = [];
  for (const [weight, { x, output }] of places) {
    const values = int8Values(g, weight, layers.get(weight) as Int8Layer);
    for (const rowwise of [false, true]) errors.push(meanError(ops, ops.int8Linear(x, values, { rowwise }), output));
    // A loss over many classes has the gradient of the output layer in itself: most of it is the softmax.
    const dy = found.get(output) ?? ops.exp(ops.sub(output, ops.max(output, { axes: [-1], keepdims: true })));
    const exact = gradients(g, output, [x], { seed: dy, unused: 'omit' }).get(x) as Value;
    errors.push(meanError(ops, int8InputGradient(ops, dy, values.transposed, values.transposedScale), exact));
  }
  g.output(RESULT, ops.concat(errors, { axis: 0 }));
  const result = await probe(
    { graph: g.build({ name: `${source.stage}/int8` }), updates: {}, scalars, randoms },
    shape,
  );
  const at = (i: number): number => Number(result[RESULT]?.data[i]);
  return new Map(
    [...places].map(([weight, { output }], i) => [
      weight,
      { plain: at(3 * i), apart: at(3 * i + 1), gradient: at(3 * i + 2), isOutput: !found.has(output) },
    ]),
  );
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

/** `[1]`: the mean of the relative errors of rows; a row of zeros, as padding gets for a gradient, has none. */
function meanError(ops: Ops, approximate: Value, exact: Value): Value {
  const last = { axes: [-1] };
  const norms = ops.norm(exact, last);
  const ratios = ops.div(ops.norm(ops.sub(approximate, exact), last), ops.maximum(norms, 1e-30));
  const counted = ops.cast(ops.greater(norms, 0), 'float32');
  const mean = ops.div(ops.sum(ops.mul(ratios, counted)), ops.maximum(ops.sum(counted), 1));
  return ops.reshape(mean, [1]);
}
