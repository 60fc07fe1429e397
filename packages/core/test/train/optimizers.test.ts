import { readFileSync } from 'node:fs';

import { type Model, type TrainConfig } from '@anneal/core';
import { evaluate, GraphBuilder, referenceBackend, tensor, type TensorData, zeros } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { HookRegistry } from '../../src/hooks/create.ts';
import { orthogonalized } from '../../src/train/matrix-optimizers.ts';
import { builtinOptimizer, optimizerNames } from '../../src/train/optimizers.ts';
import {
  FEED,
  RESULT,
  stateName,
  stateShapes,
  type StepSource,
  traceApply,
  traceNorm,
} from '../../src/train/step-graph.ts';
import { task } from '../tiny/problem.ts';

interface Golden {
  readonly optimizer: { readonly name: string } & Record<string, number | boolean>;
  readonly learningRate: number;
  readonly maxGradNorm: number;
  readonly norms?: readonly number[];
  readonly final: Readonly<Record<string, readonly number[]>>;
}
const goldens = JSON.parse(readFileSync(new URL('./fixtures/torch.json', import.meta.url), 'utf8')) as {
  readonly steps: number;
  readonly weightDecay: number;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly cases: readonly Golden[];
  readonly groups: {
    readonly learningRate: number;
    readonly settings: Readonly<Record<string, { readonly lr?: number; readonly weight_decay: number }>>;
    readonly final: Golden['final'];
  };
};
const names = Object.keys(goldens.shapes);
const sizeOf = (name: string): number => goldens.shapes[name]!.reduce((a, b) => a * b, 1);

/** The formulas of the script that made the fixture. */
const start = (name: string): number[] =>
  Array.from({ length: sizeOf(name) }, (_, i) => Math.cos(1.3 * i + names.indexOf(name)));
const gradientAt = (step: number, name: string, values: ArrayLike<number | bigint>): number[] =>
  Array.from(values, (p, i) => 0.3 * Number(p) + Math.sin(1.7 * i + 0.9 * step + 2.1 * names.indexOf(name)));

const of = (name: string, values: readonly number[]): TensorData => tensor('float32', goldens.shapes[name]!, values);

function model(): Model {
  const g = new GraphBuilder();
  for (const name of names) g.output(`out:${name}`, g.parameter(name, of(name, start(name)), { trainable: true }));
  return { graph: g.build(), config: {}, padding: {} };
}

/** What the micro-batches of a step weigh together: a power of two, so that dividing by it rounds nothing. */
const WEIGHT = 4;

/** Runs the engine's update program on given gradients, as it runs after accumulation. */
async function run({ optimizer, learningRate, maxGradNorm }: Golden, more: Partial<StepSource> = {}) {
  const { name, ...options } = optimizer;
  const source: StepSource = {
    stage: 'main',
    model: model(),
    task,
    hooks: new HookRegistry().hooks,
    specs: [],
    trainable: new Set(names),
    optimizer: builtinOptimizer(name, options)!,
    weightDecay: goldens.weightDecay,
    maxGradNorm,
    ...more,
  };
  const tensors: Record<string, TensorData> = {};
  for (const [state, shape] of stateShapes(source, true)) tensors[state] = zeros('float32', shape);
  for (const each of names) tensors[stateName.parameter(each)] = of(each, start(each));
  for (const each of names) if (more.emaDecay) tensors[stateName.average(each)] = of(each, start(each));
  const backend = referenceBackend();
  const state = await backend.createState(tensors);
  const norm = await backend.compile(traceNorm(source).graph, { state });
  const { graph, updates, inPlace } = traceApply(source);
  const program = await backend.compile(graph, { state, updates, inPlace });
  const norms: number[] = [];
  const path: Record<string, readonly number[]>[] = [];
  for (let step = 0; step < goldens.steps; step++) {
    const before = await state.read();
    const sums = names.map((each): [string, TensorData] => {
      const gradient = gradientAt(step, each, before[stateName.parameter(each)]!.data);
      return [
        stateName.gradient(each),
        of(
          each,
          gradient.map((value) => WEIGHT * value),
        ),
      ];
    });
    await state.write(Object.fromEntries(sums));
    const weight = { [FEED.weight]: tensor('float32', [], [WEIGHT]) };
    const gradNorm = (await norm.run(weight))[RESULT.gradNorm]!;
    await program.run({
      ...weight,
      [FEED.gradNorm]: gradNorm,
      [FEED.learningRate]: tensor('float32', [], [learningRate]),
      [FEED.step]: tensor('float32', [], [step + 1]),
    });
    norms.push(Number(gradNorm.data[0]));
    const after = await state.read();
    path.push(
      Object.fromEntries(names.map((each) => [each, Array.from(after[stateName.parameter(each)]!.data, Number)])),
    );
  }
  return { norms, path, state: await state.read() };
}

const title = ({ optimizer: { name, ...options }, maxGradNorm }: Golden): string =>
  [name, JSON.stringify(options), ...(maxGradNorm > 0 ? [`clipped to ${maxGradNorm}`] : [])].join(' ');

describe('optimizers', () => {
  it.each(goldens.cases.map((golden) => [title(golden), golden] as const))('PyTorch: %s', async (_, golden) => {
    const { path, norms } = await run(golden);
    for (const name of names) {
      golden.final[name]!.forEach((value, i) => expect(Math.abs(path.at(-1)![name]![i]! - value)).toBeLessThan(1e-6));
    }
    golden.norms?.forEach((norm, i) => expect(norms[i]).toBeCloseTo(norm, 5));
  });

  it('PyTorch: parameter groups', async () => {
    const { learningRate, settings, final } = goldens.groups;
    const own = Object.entries(settings).map(([name, { lr = learningRate, weight_decay: weightDecay }]) => {
      return [name, { rateRatio: lr / learningRate, weightDecay }] as const;
    });
    const golden: Golden = { optimizer: { name: 'adamw' } as Golden['optimizer'], learningRate, maxGradNorm: 0, final };
    const { path } = await run(golden, { settings: new Map(own) });
    for (const name of names) {
      final[name]!.forEach((value, i) => expect(Math.abs(path.at(-1)![name]![i]! - value)).toBeLessThan(1e-5));
    }
  });

  it('are all covered', () => {
    expect(new Set(goldens.cases.map(({ optimizer }) => optimizer.name))).toEqual(new Set(optimizerNames()));
  });

  // Otherwise the goldens of clipping would say nothing: in some steps the norm is above the bound, in some below.
  it('are clipped in the goldens', () => {
    const clipped = goldens.cases.filter(({ maxGradNorm }) => maxGradNorm > 0);
    const above = clipped.flatMap(({ norms, maxGradNorm }) => norms!.map((norm) => norm > maxGradNorm));
    expect(new Set(above)).toEqual(new Set([true, false]));
  });

  it('average the weights with a decay that starts low', async () => {
    const { path, state } = await run(goldens.cases[0]!, { emaDecay: 0.7 });
    for (const name of names) {
      const average = path.reduce((mean, weights, t) => {
        const decay = Math.min(0.7, (2 + t) / (11 + t));
        return mean.map((value, i) => decay * value + (1 - decay) * weights[name]![i]!);
      }, start(name).map(Math.fround));
      average.forEach((value, i) => expect(state[stateName.average(name)]!.data[i]).toBeCloseTo(value, 5));
    }
  });

  it.each([
    ['an unknown option', { name: 'adamw', beta: 0.9 }, 'has no option `beta`, did you mean `beta1`?'],
    [
      'an option of another type',
      { name: 'sgd', nesterov: 1 },
      'option `nesterov` of optimizer `sgd` must be a boolean',
    ],
    ['a number that is none', { name: 'adam', beta1: Number.NaN }, 'must be a number, received NaN'],
    ['a name that every object has', { name: 'sgd', constructor: 1 }, 'has no option `constructor`'],
  ])('refuse %s', (_, { name, ...options }, message) => {
    const make = (): unknown => builtinOptimizer(name, options as Record<string, number>);
    expect(make).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_CONFIG', message: expect.stringContaining(message) }),
    );
  });

  it('are not found by names that every object has', () => {
    expect(builtinOptimizer('constructor')).toBeUndefined();
    expect(builtinOptimizer('nothing' satisfies TrainConfig['optimizer'] & string)).toBeUndefined();
  });
});

describe('Muon', () => {
  /** A matrix with known singular values: `U · diag(s) · Vᵀ` by reflections, which are orthogonal. */
  function withSingularValues(values: readonly number[], rows: number, columns: number, seed: number): number[][] {
    const next = seededRandom(seed);
    const reflect = (matrix: number[][], dimension: number): number[][] => {
      const axis = Array.from({ length: dimension }, () => next() - 0.5);
      const norm = axis.reduce((sum, x) => sum + x * x, 0);
      return matrix.map((row) => {
        const along = row.reduce((sum, x, i) => sum + x * axis[i]!, 0);
        return row.map((x, i) => x - (2 * along * axis[i]!) / norm);
      });
    };
    const transpose = (matrix: number[][]): number[][] => matrix[0]!.map((_, i) => matrix.map((row) => row[i]!));
    let matrix = Array.from({ length: rows }, (_, r) =>
      Array.from({ length: columns }, (__, c) => (r === c ? values[r]! : 0)),
    );
    for (let i = 0; i < 3; i++) matrix = transpose(reflect(transpose(reflect(matrix, columns)), rows));
    return matrix;
  }

  /** `p(p(…(x)))` of the iteration on one singular value, in float64. */
  function scalar(x: number): number {
    for (let i = 0; i < 5; i++) x = 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5;
    return x;
  }

  it.each([
    ['wide', 4, 7],
    ['tall', 7, 4],
    ['square', 4, 4],
  ])('moves singular values of a %s matrix as the polynomial does, into [0.6818, 1.1344]', (_, rows, columns) => {
    const values = [1, 0.6, 0.11, 0.02];
    const matrix = withSingularValues(values, rows, columns, 5);
    const norm = Math.hypot(...values);
    // U · diag(p(s / |s|)) · Vᵀ from the same U and V: the iteration changes singular values and nothing else.
    const wanted = withSingularValues(
      values.map((value) => scalar(value / norm)),
      rows,
      columns,
      5,
    );
    const g = new GraphBuilder();
    g.output('y', orthogonalized(g.ops, g.constant(tensor('float32', [rows, columns], matrix.flat())), 5));
    const { y } = evaluate(g.build(), {});
    wanted.flat().forEach((value, i) => expect(Number(y!.data[i])).toBeCloseTo(value, 4));
    for (const value of values) {
      expect(scalar(value / norm)).toBeGreaterThan(0.6818);
      expect(scalar(value / norm)).toBeLessThan(1.1344);
    }
  });

  it('leaves embeddings, heads and vectors to AdamW', () => {
    const { state } = builtinOptimizer('muon')!;
    const keys = (name: string, shape: readonly number[]): string => Object.keys(state(shape, name)).join();
    expect(keys('encoder.layer.0.attention.query.weight', [8, 8])).toBe('m');
    expect(keys('layers.3.self_attn.q_proj.lora_A', [8, 2])).toBe('m');
    for (const name of [
      'embeddings.word_embeddings.weight',
      'lm_head.weight',
      'classifier.weight',
      'transformer.wte.weight',
    ]) {
      expect(keys(name, [8, 8])).toBe('m,v');
    }
    expect(keys('encoder.layer.0.attention.query.bias', [8])).toBe('m,v');
    expect(keys('conv.weight', [8, 8, 3, 3])).toBe('m,v');
  });

  it('scales by outputs over inputs, however the matrix lies', () => {
    const step = (transposed: boolean): number[] => {
      const g = new GraphBuilder();
      const shape = transposed ? [2, 8] : [8, 2];
      const values = Array.from({ length: 16 }, (_, i) => Math.sin(i + 1));
      const laid = transposed ? values : Array.from({ length: 16 }, (_, i) => values[(i % 2) * 8 + Math.floor(i / 2)]!);
      const zero = g.constant(zeros('float32', shape));
      const { parameter } = builtinOptimizer('muon')!.update(
        zero,
        g.constant(tensor('float32', shape, laid)),
        { m: zero },
        {
          ops: g.ops,
          learningRate: g.scalar(1, 'float32'),
          step: g.scalar(1, 'float32'),
          weightDecay: 0,
          name: 'w',
          transposed,
        },
      );
      g.output('y', transposed ? parameter : g.ops.transpose(parameter));
      return Array.from(evaluate(g.build(), {})['y']!.data, Number);
    };
    const [a, b] = [step(true), step(false)];
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 5));
    // Two singular values of about 1, times sqrt(8 / 2).
    expect(Math.hypot(...a) / Math.SQRT2 / 2).toBeGreaterThan(0.68);
    expect(Math.hypot(...a) / Math.SQRT2 / 2).toBeLessThan(1.14);
  });
});
