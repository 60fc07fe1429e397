import { GraphError } from '../../error.ts';
import { attr, type Node } from '../../ir.ts';
import { arg, type Call, type Kernel, type Result, shapeMismatch } from '../kernel.ts';
import { sigmoid, softplus } from './special.ts';

type Scalar = (x: number) => number;

const ACTIVATIONS: Readonly<Record<string, Scalar>> = {
  Sigmoid: sigmoid,
  Tanh: Math.tanh,
  Relu: (x) => Math.max(x, 0),
  Softsign: (x) => x / (1 + Math.abs(x)),
  Softplus: softplus,
  HardSigmoid: (x) => Math.max(0, Math.min(1, 0.2 * x + 0.5)),
  Elu: (x) => (x < 0 ? Math.expm1(x) : x),
  LeakyRelu: (x) => (x < 0 ? 0.01 * x : x),
};

/** One step of one sample: the numbers of a gate are at `gate · hidden + unit` of `input` and `state`. */
interface Step {
  /** `W x + Wb` of every gate. */
  readonly input: Float64Array;
  /** `R h + Rb` of every gate. */
  readonly state: Float64Array;
  readonly hidden: Float64Array;
  readonly cell: Float64Array;
  readonly activations: readonly Scalar[];
  /** Peepholes of the gates i, o, f. */
  readonly peephole: (gate: number, unit: number) => number;
  /** `R v + Rb` of a gate, for another `v` than the state. */
  readonly recur: (gate: number, v: Float64Array) => Float64Array;
}

/** What tells LSTM, GRU and RNN apart. Each returns the next hidden state and cell. */
interface Unit {
  readonly gates: number;
  readonly defaults: readonly string[];
  readonly step: (node: Node, s: Step) => readonly [Float64Array, Float64Array];
}

/** Hochreiter & Schmidhuber, 1997; gates in the order i, o, f, c. */
const lstm: Unit = {
  gates: 4,
  defaults: ['Sigmoid', 'Tanh', 'Tanh'],
  step: (node, { input, state, hidden, cell, activations, peephole }) => {
    const [f, g, h] = activations as [Scalar, Scalar, Scalar];
    const n = hidden.length;
    const coupled = attr.int(node, 'input_forget', 0) === 1;
    const sum = (gate: number, unit: number): number =>
      (input[gate * n + unit] as number) + (state[gate * n + unit] as number);
    const next = cell.map((c, u) => {
      const i = f(sum(0, u) + peephole(0, u) * c);
      const keep = coupled ? 1 - i : f(sum(2, u) + peephole(2, u) * c);
      return keep * c + i * g(sum(3, u));
    });
    return [next.map((c, u) => f(sum(1, u) + peephole(1, u) * c) * h(c)), next];
  },
};

/** Cho et al., 2014; gates in the order z, r, h. */
const gru: Unit = {
  gates: 3,
  defaults: ['Sigmoid', 'Tanh'],
  step: (node, { input, state, hidden, cell, activations, recur }) => {
    const [f, g] = activations as [Scalar, Scalar];
    const n = hidden.length;
    const gate = (k: number): Float64Array =>
      hidden.map((_, u) => f((input[k * n + u] as number) + (state[k * n + u] as number)));
    const [z, r] = [gate(0), gate(1)];
    const linear = attr.int(node, 'linear_before_reset', 0) === 1;
    const reset = recur(
      2,
      hidden.map((v, u) => v * (r[u] as number)),
    );
    const candidate = hidden.map((_, u) => {
      const recurrent = linear ? (r[u] as number) * (state[2 * n + u] as number) : (reset[u] as number);
      return g((input[2 * n + u] as number) + recurrent);
    });
    return [hidden.map((v, u) => (1 - (z[u] as number)) * (candidate[u] as number) + (z[u] as number) * v), cell];
  },
};

const rnn: Unit = {
  gates: 1,
  defaults: ['Tanh'],
  step: (_node, { input, state, hidden, cell, activations }) => {
    const [f] = activations as [Scalar];
    return [hidden.map((_, u) => f((input[u] as number) + (state[u] as number))), cell];
  },
};

function activationsOf({ node }: Call, { defaults }: Unit, direction: number): Scalar[] {
  const attribute = node.attributes['activations'];
  const names = attribute && 'strings' in attribute ? attribute.strings : [...defaults, ...defaults];
  if (node.attributes['activation_alpha'] || node.attributes['activation_beta'] || node.attributes['clip']) {
    throw new GraphError('ANNEAL_E_OP', `${node.op}: the interpreter has no \`clip\` and no activation parameters`);
  }
  return defaults.map((_, i) => {
    const name = names[direction * defaults.length + i] ?? '';
    const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
    if (found === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: unknown activation "${name}"`);
    return found;
  });
}

/** Rows of `matrix` times `vector`, plus a bias, for rows `[from, to)`. */
function affine(
  matrix: Float64Array,
  vector: Float64Array,
  bias: Float64Array | undefined,
  from: number,
  to: number,
): Float64Array {
  return Float64Array.from({ length: to - from }, (_, i) => {
    const row = (from + i) * vector.length;
    return vector.reduce((sum, v, k) => sum + v * (matrix[row + k] as number), bias?.[from + i] ?? 0);
  });
}

function recurrent(unit: Unit): Kernel {
  return (call): Result[] => {
    const { node, inputs } = call;
    const [x, w, r] = [arg(call, 0), arg(call, 1), arg(call, 2)];
    const [bias, lengths, initial, initialCell, peepholes] = inputs.slice(3);
    const batchFirst = attr.int(node, 'layout', 0) === 1;
    const [directions, rows, size] = w.shape as [number, number, number];
    const hidden = r.shape[2] as number;
    if (rows !== unit.gates * hidden) throw shapeMismatch(call, `W needs ${unit.gates} gates of ${hidden} rows`);
    const [steps, batch] = (batchFirst ? [x.shape[1], x.shape[0]] : [x.shape[0], x.shape[1]]) as [number, number];
    const direction = attr.string(node, 'direction', 'forward');
    const row = (t: number, b: number): number => (batchFirst ? b * steps + t : t * batch + b);
    const stateAt = (d: number, b: number): number => (batchFirst ? b * directions + d : d * batch + b) * hidden;
    const all = new Float64Array(steps * batch * directions * hidden);
    const [last, lastCell] = [
      new Float64Array(directions * batch * hidden),
      new Float64Array(directions * batch * hidden),
    ];
    for (let d = 0; d < directions; d++) {
      const activations = activationsOf(call, unit, d);
      const part = (values: Float64Array | undefined, length: number, at: number = d): Float64Array | undefined =>
        values?.subarray(at * length, (at + 1) * length);
      const [wd, rd] = [part(w.data, rows * size), part(r.data, rows * hidden)] as [Float64Array, Float64Array];
      const [wb, rb] = [part(bias?.data, rows, 2 * d), part(bias?.data, rows, 2 * d + 1)];
      const pd = part(peepholes?.data, 3 * hidden);
      const backwards = direction === 'reverse' || d === 1;
      for (let b = 0; b < batch; b++) {
        const start = (values: Float64Array | undefined): Float64Array =>
          values?.slice(stateAt(d, b), stateAt(d, b) + hidden) ?? new Float64Array(hidden);
        let [h, c] = [start(initial?.data), start(initialCell?.data)];
        const length = lengths?.data[b] ?? steps;
        for (let step = 0; step < length; step++) {
          const t = backwards ? length - 1 - step : step;
          const at = row(t, b);
          [h, c] = unit.step(node, {
            input: affine(wd, x.data.subarray(at * size, (at + 1) * size), wb, 0, rows),
            state: affine(rd, h, rb, 0, rows),
            hidden: h,
            cell: c,
            activations,
            peephole: (gate, u) => pd?.[gate * hidden + u] ?? 0,
            recur: (gate, v) => affine(rd, v, rb, gate * hidden, (gate + 1) * hidden),
          }) as [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>];
          all.set(h, (batchFirst ? at * directions + d : (t * directions + d) * batch + b) * hidden);
        }
        last.set(h, stateAt(d, b));
        lastCell.set(c, stateAt(d, b));
      }
    }
    const shape = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
    const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    return [
      { shape, data: all },
      { shape: state, data: last },
      { shape: state, data: lastCell },
    ];
  };
}

export const recurrentKernels: Record<'LSTM' | 'GRU' | 'RNN', Kernel> = {
  LSTM: recurrent(lstm),
  GRU: recurrent(gru),
  RNN: recurrent(rnn),
};
