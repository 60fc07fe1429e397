import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { VJP } from '../src/autodiff/rules/index.ts';
import { GraphBuilder } from '../src/builder.ts';
import type { DType } from '../src/dtype.ts';
import { opKey } from '../src/infer/index.ts';
import type { Attributes, Value } from '../src/ir.ts';
import { tensor, type TensorData } from '../src/tensor.ts';
import { expectClose, numbersOf } from './autodiff/harness.ts';

interface Flat {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Constant extends Flat {
  readonly dtype: DType;
  /** A weight of the model, which some rules want. */
  readonly parameter?: boolean;
}

interface Golden {
  readonly inputs: readonly Flat[];
  readonly result: Flat;
  readonly seed: Flat;
  readonly gradients: readonly Flat[];
  readonly constants?: readonly Flat[];
  /** The operator that computes the result; others are in `BUILD`. */
  readonly node?: {
    readonly op: string;
    readonly domain: string;
    readonly attributes: Attributes;
    /** Inputs of the node: by index, constants, or left out. */
    readonly slots: readonly (number | Constant | null)[];
    readonly outputs: number;
  };
}

/** Written by tools/goldens/ops/make.py. */
const path = new URL('fixtures/ops.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { cases: Record<string, Golden> };

type Build = (g: GraphBuilder, x: readonly Value[], constants: readonly Value[]) => Value;

const op =
  (name: string, attributes: Attributes = {}, domain: string = ''): Build =>
  (g, x, constants) =>
    g.one(name, [...x, ...constants], { attributes, domain });

const float = (value: number): { float: number } => ({ float: value });
const int = (value: number): { int: number } => ({ int: value });
const ints = (...values: number[]): { ints: number[] } => ({ ints: values });
const string = (value: string): { string: string } => ({ string: value });

/** One reduction over axes. */
const reduce =
  (name: string, axes: readonly number[], keepdims: number = 0): Build =>
  (g, [x]) =>
    g.one(name, [x, g.ints(axes)], { attributes: { keepdims: int(keepdims) } });

const pad =
  (mode: string): Build =>
  (g, [x]) =>
    g.one('Pad', [x, g.ints([0, 0, 1, 2, 0, 0, 2, 1])], { attributes: { mode: string(mode) } });

const resize =
  (coordinates: string, mode: string, sizes: readonly number[]): Build =>
  (g, [x]) =>
    g.one('Resize', [x, undefined, undefined, g.ints(sizes)], {
      attributes: {
        mode: string(mode),
        coordinate_transformation_mode: string(coordinates),
        nearest_mode: string('floor'),
      },
    });

const BUILD: Readonly<Record<string, Build>> = {
  gelu: op('Gelu'),
  'gelu-tanh': op('Gelu', { approximate: string('tanh') }),
  silu: op('QuickGelu', { alpha: float(1) }, 'com.microsoft'),
  mish: op('Mish'),
  softplus: op('Softplus'),
  softsign: op('Softsign'),
  relu: op('Relu'),
  'leaky-relu': op('LeakyRelu', { alpha: float(0.02) }),
  elu: op('Elu', { alpha: float(0.7) }),
  // ONNX's default constants are those of float32.
  selu: op('Selu', { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) }),
  celu: op('Celu', { alpha: float(2) }),
  'hard-sigmoid': op('HardSigmoid', { alpha: float(1 / 6), beta: float(0.5) }),
  'hard-swish': op('HardSwish'),
  prelu: (g, [x, slope]) => g.one('PRelu', [x, g.ops.reshape(slope as Value, [3, 1])]),
  erf: op('Erf'),
  tan: op('Tan'),
  pow: op('Pow'),
  clip: (g, [x]) => g.ops.clip(x as Value, { min: -0.5, max: 1 }),
  'maximum-tied': op('Max'),
  'reduce-max-tied': reduce('ReduceMax', [1]),
  'reduce-min': reduce('ReduceMin', [0, 2]),
  'reduce-prod-zeros': reduce('ReduceProd', [1]),
  norm: reduce('ReduceL2', [-1]),
  'log-sum-exp': reduce('ReduceLogSumExp', [0, 2], 1),
  softmax: op('Softmax'),
  'softmax-inner': op('Softmax', { axis: int(1) }),
  'log-softmax': op('LogSoftmax'),
  cumsum: (g, [x]) => g.one('CumSum', [x, g.scalar(1, 'int64')]),
  'layer-norm': op('LayerNormalization'),
  'layer-norm-2': op('LayerNormalization', { axis: int(1) }),
  'rms-norm': op('RMSNormalization', { epsilon: float(1e-6) }),
  'instance-norm': op('InstanceNormalization'),
  'group-norm': op('GroupNormalization', { num_groups: int(2) }),
  'batch-norm': op('BatchNormalization'),
  normalize: op('LpNormalization', { axis: int(1) }),
  'pad-reflect': pad('reflect'),
  'pad-replicate': pad('edge'),
  'pad-circular': pad('wrap'),
  'bmm-broadcast': op('MatMul'),
  attention: ({ ops }, [q, k, v]) => {
    const scores = ops.matmul(q as Value, k as Value, { transposeB: true, alpha: 1 / Math.sqrt(3) });
    return ops.matmul(ops.softmax(scores), v as Value);
  },
  einsum: op('Einsum', { equation: string('bij,kj->bik') }),
  'max-pool': op('MaxPool', { kernel_shape: ints(2, 2), strides: ints(2, 2) }),
  'max-pool-overlap': op('MaxPool', { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) }),
  'average-pool': op('AveragePool', { kernel_shape: ints(3, 3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) }),
  'average-pool-pad': op('AveragePool', {
    kernel_shape: ints(3, 3),
    strides: ints(2, 2),
    pads: ints(1, 1, 1, 1),
    count_include_pad: int(1),
  }),
  'global-average-pool': op('GlobalAveragePool'),
  'pixel-shuffle': op('DepthToSpace', { blocksize: int(2), mode: string('CRD') }),
  // PyTorch puts the channel before the block, ONNX after it.
  'pixel-unshuffle': (g, [x]) => {
    const blocks = g.ops.reshape(g.one('SpaceToDepth', [x], { attributes: { blocksize: int(2) } }), [1, 4, 2, 2, 3]);
    return g.ops.reshape(g.ops.transpose(blocks, [0, 2, 1, 3, 4]), [1, 8, 2, 3]);
  },
  'resize-nearest': resize('asymmetric', 'nearest', [1, 2, 6, 8]),
  'resize-bilinear': resize('pytorch_half_pixel', 'linear', [1, 2, 7, 5]),
  'resize-bilinear-corners': resize('align_corners', 'linear', [1, 2, 7, 5]),
};

/** PyTorch's gradient of hardsigmoid uses 1/6 in single precision, in double precision too. */
const TOLERANCE: Readonly<Record<string, number>> = { 'hard-sigmoid': 1e-8 };

const data = ({ shape, data: numbers }: Flat): TensorData => tensor('float64', shape, numbers);

function fromNode({ op: type, domain, attributes, slots, outputs }: NonNullable<Golden['node']>): Build {
  return (g, x) => {
    const inputs = slots.map((slot, i) => {
      if (slot === null) return undefined;
      if (typeof slot === 'number') return x[slot];
      const contents = tensor(slot.dtype, slot.shape, wide(slot));
      return slot.parameter ? g.parameter(`parameter ${i}`, contents) : g.constant(contents);
    });
    return g.node(type, inputs, { domain, attributes, outputs })[0] as Value;
  };
}

function wide({ dtype, data: numbers }: Constant): readonly number[] | readonly bigint[] {
  return dtype === 'int64' ? numbers.map(BigInt) : numbers;
}

const buildOf = (name: string, { node }: Golden): Build => (node ? fromNode(node) : (BUILD[name] as Build));

/** Operators between the inputs of a golden and its result. */
function operatorsOf(name: string, golden: Golden): readonly string[] {
  const g = new GraphBuilder();
  const inputs = golden.inputs.map(({ shape }, i) => g.input(`x${i}`, 'float64', shape));
  buildOf(name, golden)(
    g,
    inputs,
    (golden.constants ?? []).map((flat) => g.constant(data(flat))),
  );
  return g.nodes.map((node) => opKey(node.domain, node.op));
}

describe('operators against PyTorch', () => {
  it('covers every golden', () => {
    const built = Object.keys(cases).filter((name) => cases[name]?.node === undefined);
    expect(Object.keys(BUILD).sort()).toEqual(built.sort());
  });

  it('has a golden of every rule', () => {
    const covered = new Set(Object.entries(cases).flatMap(([name, golden]) => operatorsOf(name, golden)));
    // Their results are rounded to codes: autodiff-values.test.ts has their gradients.
    const rounded = [
      'QuantizeLinear',
      'com.microsoft.DynamicQuantizeMatMul',
      'anneal.Int8Linear',
      'anneal.WithGradient',
    ];
    expect(Object.keys(VJP).filter((key) => !covered.has(key) && !rounded.includes(key))).toEqual([]);
  });

  it.each(Object.entries(cases))('%s', (name, golden) => {
    const g = new GraphBuilder();
    const inputs = golden.inputs.map(({ shape }, i) => g.input(`x${i}`, 'float64', shape));
    const constants = (golden.constants ?? []).map((flat) => g.constant(data(flat)));
    const result = buildOf(name, golden)(g, inputs, constants);
    const found = gradients(g, result, inputs, { seed: g.constant(data(golden.seed)) });
    g.output('result', result);
    inputs.forEach((value, i) => g.output(`d${i}`, found.get(value) as Value));
    const feeds = Object.fromEntries(golden.inputs.map((flat, i) => [`x${i}`, data(flat)]));
    const results = numbersOf(g.build(), feeds);
    expectClose(results['result'] ?? [], golden.result.data, 1e-12, 'result');
    golden.gradients.forEach((expected, i) =>
      expectClose(results[`d${i}`] ?? [], expected.data, TOLERANCE[name] ?? 1e-12, `d${i}`),
    );
  });
});
