import type { Ops, Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import { activationOf } from '../activations.ts';
import type { LayerContext, LayerRule } from '../context.ts';

/** States of a cell, `[batch, units]` each; `undefined` are zeros. */
type States = readonly (Value | undefined)[];

/** One step of a recurrent layer: its new states from what the input alone gives, and the old ones. */
interface Cell {
  readonly units: number;
  readonly stateCount: number;
  /** `x @ kernel + bias` for all steps at once, `[batch, time, gates · units]`. */
  readonly fromInput: (x: Value) => Value;
  readonly step: (input: Value, states: States) => readonly Value[];
}

type MakeCell = (layer: LayerContext) => Cell;

function cellOf(layer: LayerContext, gates: number, step: (cell: StepContext) => Cell['step'], states: number): Cell {
  const { config, ops } = layer;
  const units = config.get('units').int(undefined, 1);
  const kernel = layer.weight('kernel');
  const recurrent = layer.weight('recurrent_kernel');
  const bias = config.get('use_bias').boolean(true) ? layer.weight('bias') : undefined;
  if (recurrent.shape.join() !== `${units},${gates * units}`) {
    throw layer.error(
      `recurrent_kernel must be [${units}, ${gates * units}], received [${recurrent.shape.join(', ')}]`,
    );
  }
  const activation = activationOf(config.get('activation')).fn;
  const gate = activationOf(config.get('recurrent_activation')).fn;
  return {
    units,
    stateCount: states,
    fromInput: (x) => {
      const product = ops.matmul(x, kernel);
      return bias === undefined ? product : ops.add(product, bias);
    },
    step: step({
      ops,
      units,
      recurrent,
      activation: (x) => activation(x, ops),
      gate: (x) => gate(x, ops),
    }),
  };
}

interface StepContext {
  readonly ops: Ops;
  readonly units: number;
  readonly recurrent: Value;
  readonly activation: (x: Value) => Value;
  readonly gate: (x: Value) => Value;
}

const plus = (ops: Ops, a: Value, b: Value | undefined): Value => (b === undefined ? a : ops.add(a, b));
const times = (ops: Ops, a: Value, b: Value | undefined): Value | undefined =>
  b === undefined ? undefined : ops.mul(a, b);

/** Elman (1990). */
const simpleCell: MakeCell = (layer) =>
  cellOf(
    layer,
    1,
    ({ ops, recurrent, activation }) =>
      (input, [h]) => [activation(plus(ops, input, h && ops.matmul(h, recurrent)))],
    1,
  );

/** Hochreiter & Schmidhuber (1997), with a forget gate; gates in the order i, f, c, o. */
const lstmCell: MakeCell = (layer) =>
  cellOf(
    layer,
    4,
    ({ ops, units, recurrent, activation, gate }) =>
      (input, [h, c]) => {
        const z = plus(ops, input, h && ops.matmul(h, recurrent));
        const [i, f, candidate, o] = ops.split(z, [units, units, units, units], { axis: 1 }) as [
          Value,
          Value,
          Value,
          Value,
        ];
        const cell = plus(ops, ops.mul(gate(i), activation(candidate)), times(ops, gate(f), c));
        return [ops.mul(gate(o), activation(cell)), cell];
      },
    2,
  );

/** Cho et al. (2014); gates in the order z, r, h, and the reset gate before the product. */
const gruCell: MakeCell = (layer) => {
  if (layer.config.get('reset_after').boolean(false)) {
    throw layer.error('`reset_after: true` is not supported, as in TensorFlow.js', 'train the layer without it');
  }
  return cellOf(
    layer,
    3,
    ({ ops, units, recurrent, activation, gate }) =>
      (input, [h]) => {
        const [ofGates, ofCandidate] = ops.split(input, [2 * units, units], { axis: 1 }) as [Value, Value];
        const [toGates, toCandidate] = ops.split(recurrent, [2 * units, units], { axis: 1 }) as [Value, Value];
        const both = gate(plus(ops, ofGates, h && ops.matmul(h, toGates)));
        const [z, r] = ops.split(both, [units, units], { axis: 1 }) as [Value, Value];
        const reset = times(ops, r, h);
        const candidate = activation(plus(ops, ofCandidate, reset && ops.matmul(reset, toCandidate)));
        return [plus(ops, ops.mul(ops.sub(1, z), candidate), times(ops, z, h))];
      },
    1,
  );
};

/** More steps than anybody unrolls. */
const MAX_STEPS = 1024;

/**
 * A recurrent layer, unrolled: each step is nodes of its own, so that it trains like any other layer. The number of steps
 * must be known for that.
 */
function recurrent(make: MakeCell): LayerRule {
  return (inputs, layer) => {
    const { g, ops, config } = layer;
    const [x, ...initial] = inputs;
    if (x === undefined || x.rank !== 3) throw layer.error('takes a sequence, [batch, time, features]');
    const cell = make(layer);
    if (initial.length !== 0 && initial.length !== cell.stateCount) {
      throw layer.error(`takes ${cell.stateCount} initial states, received ${initial.length}`);
    }
    const steps = stepsOf(x, layer);
    const reversed = config.get('go_backwards').boolean(false);
    const parts = steps === 1 ? [cell.fromInput(x.last)] : eachStep(cell.fromInput(x.last), steps, ops);
    const masks = x.mask && eachStep(ops.expandDims(x.mask, [2]), steps, ops);
    const order = parts.map((_, i) => (reversed ? steps - 1 - i : i));
    let states: States =
      initial.length > 0 ? initial.map(({ last }) => last) : Array.from({ length: cell.stateCount }, () => undefined);
    const outputs: Value[] = [];
    for (const i of order) {
      const input = ops.squeeze(parts[i] as Value, [1]);
      const next = cell.step(input, states);
      const mask = masks && ops.cast(ops.squeeze(masks[i] as Value, [1]), 'float32');
      states = mask === undefined ? next : next.map((value, n) => kept(ops, mask, value, states[n]));
      outputs.push(states[0] as Value);
    }
    const sequence = config.get('return_sequences').boolean(false);
    const y = sequence
      ? ops.concat(
          outputs.map((value) => ops.expandDims(value, [1])),
          { axis: 1 },
        )
      : (outputs.at(-1) as Value);
    const main = Traced.last(g, y, sequence ? x.mask : undefined);
    if (!config.get('return_state').boolean(false)) return main;
    return [main, ...states.map((state) => Traced.last(g, state as Value))];
  };
}

/** A step that the mask leaves out keeps the states. */
function kept(ops: Ops, mask: Value, value: Value, before: Value | undefined): Value {
  const now = ops.mul(value, mask);
  return before === undefined ? now : ops.add(now, ops.mul(before, ops.sub(1, mask)));
}

function stepsOf(x: Traced, layer: LayerContext): number {
  const steps = x.shape[1];
  if (typeof steps === 'string') {
    throw layer.error(
      `the number of steps is open (\`${steps}\`), and recurrent layers are unrolled`,
      `say how long sequences are: dims: { ${JSON.stringify(steps)}: 100 }`,
    );
  }
  if (steps === undefined || steps < 1 || steps > MAX_STEPS) {
    throw layer.error(`${steps} steps cannot be unrolled; at most ${MAX_STEPS}`);
  }
  return steps;
}

function eachStep(x: Value, steps: number, ops: Ops): readonly Value[] {
  return ops.split(
    x,
    Array.from({ length: steps }, () => 1),
    { axis: 1 },
  );
}

const CELLS: Readonly<Record<string, MakeCell>> = { SimpleRNN: simpleCell, LSTM: lstmCell, GRU: gruCell };

export const recurrentRules: Readonly<Record<string, LayerRule>> = Object.fromEntries(
  Object.entries(CELLS).map(([name, make]) => [name, recurrent(make)]),
);
