import { checkRewrite, type RewriteCase } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { GraphBuilder } from '../../src/builder.ts';
import { interpret } from '../../src/interpret/evaluate.ts';
import type { Graph, Value } from '../../src/ir.ts';
import { applyRewrites, defineRewrite, type Rewrite } from '../../src/rewrites/define.ts';
import { FUSIONS } from '../../src/rewrites/fusions.ts';
import { any, op } from '../../src/rewrites/pattern.ts';
import { tensor } from '../../src/tensor.ts';
import { inline } from '../../src/transform.ts';

const input = (g: GraphBuilder, name: string = 'x', ...shape: number[]): Value =>
  g.input(name, 'float32', shape.length > 0 ? shape : [2, 3, 8]);
/** A constant of an exported model: a tensor of one element, not always a scalar. */
const half = (g: GraphBuilder): Value => g.constant(tensor('float32', [1], [0.5]));

const erf = ({ ops }: GraphBuilder, x: Value): Value => ops.add(ops.erf(ops.div(x, 1.4142135381698608)), 1);
const tanh = ({ ops }: GraphBuilder, x: Value, cube: Value): Value =>
  ops.add(ops.tanh(ops.mul(ops.add(x, ops.mul(cube, 0.044715)), 0.7978845608)), 1);
const normal = ({ ops }: GraphBuilder, x: Value, axis: number, twice: boolean): Value => {
  const mean = ops.mean(x, { axes: [axis], keepdims: true });
  const [a, b] = [ops.sub(x, mean), twice ? ops.sub(x, mean) : undefined];
  const variance = ops.mean(ops.pow(b ?? a, 2), { axes: [axis], keepdims: true });
  return ops.div(a, ops.sqrt(ops.add(variance, 1e-5)));
};
const rms = ({ ops }: GraphBuilder, x: Value): Value =>
  ops.sqrt(ops.add(ops.mean(ops.pow(x, 2), { axes: [-1], keepdims: true }), 1e-6));

/** Softmax of what is above 0 in the first row, and of nothing in the second. */
const masked = (g: GraphBuilder, empty: number, axis: number = -1): Value => {
  const x = input(g);
  const [row, all] = [g.constant(tensor('bool', [1, 3, 1], [true, false, true])), g.ops.greater(x, 0)];
  const weights = g.ops.softmax(g.ops.where(g.ops.logicalAnd(row, all), x, -Infinity), { axis });
  return g.ops.where(g.ops.isNaN(weights), empty, weights);
};

const CASES: Readonly<Record<string, readonly RewriteCase[]>> = {
  'gelu of erf': [
    { name: '(x · e) · ½', build: (g) => ((x) => g.ops.mul(g.ops.mul(x, erf(g, x)), half(g)))(input(g)) },
    { name: 'x · (½ · e)', build: (g) => ((x) => g.ops.mul(x, g.ops.mul(half(g), erf(g, x))))(input(g)) },
    { name: '(½ · x) · e', build: (g) => ((x) => g.ops.mul(g.ops.mul(0.5, x), erf(g, x)))(input(g)) },
    {
      name: 'of something else is none',
      times: 0,
      build: (g) => g.ops.mul(g.ops.mul(input(g), erf(g, input(g, 'z'))), 0.5),
    },
    {
      name: 'with another constant is none',
      times: 0,
      build: (g) => ((x) => g.ops.mul(g.ops.mul(x, erf(g, x)), 0.49))(input(g)),
    },
    {
      name: 'whose inner value is an output stays',
      times: 0,
      build: (g) => {
        const x = input(g);
        const inner = erf(g, x);
        return [g.ops.mul(g.ops.mul(x, inner), 0.5), inner];
      },
    },
  ],
  'gelu of tanh': [
    { name: 'power', build: (g) => ((x) => g.ops.mul(g.ops.mul(x, 0.5), tanh(g, x, g.ops.pow(x, 3))))(input(g)) },
    { name: 'x · (½ · t)', build: (g) => ((x) => g.ops.mul(x, g.ops.mul(0.5, tanh(g, x, g.ops.pow(x, 3)))))(input(g)) },
    {
      name: 'product',
      build: (g) => ((x) => g.ops.mul(g.ops.mul(x, tanh(g, x, g.ops.mul(g.ops.mul(x, x), x))), 0.5))(input(g)),
    },
  ],
  'softmax with empty rows': [
    { name: 'of the last axis', build: (g) => masked(g, 0) },
    { name: 'of another axis', build: (g) => masked(g, 0, 0) },
    { name: 'with another value is none', times: 0, build: (g) => masked(g, 1) },
  ],
  silu: [
    { name: 'x · σ(x)', build: (g) => ((x) => g.ops.mul(x, g.ops.sigmoid(x)))(input(g)) },
    { name: 'σ(x) · x', build: (g) => ((x) => g.ops.mul(g.ops.sigmoid(x), x))(input(g)) },
    { name: 'of a gate is none', times: 0, build: (g) => g.ops.mul(input(g), g.ops.sigmoid(input(g, 'z'))) },
  ],
  'quick gelu': [{ name: '1.702', build: (g) => ((x) => g.ops.mul(x, g.ops.sigmoid(g.ops.mul(x, 1.702))))(input(g)) }],
  'layer normalisation': [
    ...[false, true].map((twice): RewriteCase => ({
      name: twice ? 'the difference twice' : 'the difference once',
      build: (g) => g.ops.add(g.ops.mul(normal(g, input(g), -1, twice), input(g, 's', 8)), input(g, 'b', 8)),
    })),
    {
      name: 'the axis from the front',
      build: (g) => g.ops.add(input(g, 'b', 8), g.ops.mul(input(g, 's', 8), normal(g, input(g), 2, false))),
    },
    {
      name: 'over another axis is none',
      times: 0,
      build: (g) => g.ops.add(g.ops.mul(normal(g, input(g), 1, false), input(g, 's', 8)), input(g, 'b', 8)),
    },
  ],
  'rms normalisation': [
    { name: 'quotient', build: (g) => ((x) => g.ops.mul(g.ops.div(x, rms(g, x)), input(g, 's', 8)))(input(g)) },
    {
      name: 'reciprocal',
      build: (g) => ((x) => g.ops.mul(input(g, 's', 8), g.ops.mul(x, g.ops.reciprocal(rms(g, x)))))(input(g)),
    },
    {
      name: 'one over the root',
      build: (g) => ((x) => g.ops.mul(g.ops.mul(x, g.ops.div(1, rms(g, x))), input(g, 's', 8)))(input(g)),
    },
    {
      name: 'a scale of one element is none',
      times: 0,
      build: (g) => ((x) => g.ops.mul(g.ops.div(x, rms(g, x)), input(g, 's', 1)))(input(g)),
    },
  ],
  'concatenation with nothing': [
    {
      name: 'two parts',
      build: (g) => g.ops.concat([g.constant(tensor('float32', [2, 0], [])), input(g, 'x', 2, 3)], { axis: 1 }),
    },
    {
      name: 'a negative axis',
      build: (g) => {
        const [a, b] = [input(g, 'a', 2, 3), input(g, 'b', 2, 1)];
        return g.ops.concat([a, g.constant(tensor('float32', [2, 0], [])), b], { axis: -1 });
      },
    },
  ],
};

describe.each(Object.entries(CASES))('%s', (name, cases) => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (_, test) =>
    // Variants of one rule share its name.
    checkRewrite(
      FUSIONS.find((rule) => rule.name === name)!,
      [test],
      {
        rules: FUSIONS.filter((rule) => rule.name === name),
      },
    ),
  );
});

it('every fusion has cases', () => {
  expect([...new Set(FUSIONS.map((rule) => rule.name))].sort()).toEqual(Object.keys(CASES).sort());
});

it('every variant of a fusion applies in a case', () => {
  const graphOf = ({ build }: RewriteCase): Graph => {
    const g = new GraphBuilder();
    [build(g)].flat().forEach((value, i) => g.output(`y${i}`, value as Value));
    return g.build();
  };
  const applies = (rule: Rewrite, test: RewriteCase): boolean =>
    test.times !== 0 && rule.name in applyRewrites(graphOf(test), [rule]).applied;
  const missing = FUSIONS.filter((rule) => !(CASES[rule.name] ?? []).some((test) => applies(rule, test)));
  expect(missing.map((rule) => `${rule.name}, variant ${FUSIONS.indexOf(rule)}`)).toEqual([]);
});

it('the gradient of softmax with empty rows is finite', async () => {
  const g = new GraphBuilder();
  g.output('y', masked(g, 0));
  const { graph } = applyRewrites(g.build(), FUSIONS);
  const trained = new GraphBuilder();
  const x = trained.input('x', 'float32', [2, 3, 8]);
  const y = inline(trained, graph, { inputs: { x } })['y'] as Value;
  const loss = trained.ops.sum(trained.ops.mul(y, y));
  trained.output('dx', gradients(trained, loss, [x]).get(x) as Value);
  const values = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i));
  const { dx } = await interpret(trained.build(), { x: tensor('float32', [2, 3, 8], values) });
  expect(Array.from(dx!.data, Number).every(Number.isFinite)).toBe(true);
  expect(Array.from(dx!.data, Number).some((v) => v !== 0)).toBe(true);
});

describe('rules', () => {
  const double: Rewrite = defineRewrite({
    name: 'double',
    pattern: op('Add', [any('x'), any('x')]),
    replace: ({ ops, value }) => ops.mul(value('x'), 2),
  });

  it('apply after each other, and say how often', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', 2);
    const one = g.ops.add(x, x);
    g.output('y', g.ops.add(one, one));
    const { graph, applied } = applyRewrites(g.build(), [double]);
    expect(graph.nodes.map((node) => node.op)).toEqual(['Mul', 'Mul']);
    expect(applied).toEqual({ double: 2 });
  });

  it('put new nodes into the module of the one that they replace', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', 2);
    g.output(
      'y',
      g.scope('encoder.layer', () => g.ops.add(x, x)),
    );
    expect(applyRewrites(g.build(), [double]).graph.nodes[0]?.scope).toBe('encoder.layer');
  });

  it('stop when they undo each other', () => {
    const half2: Rewrite = defineRewrite({
      name: 'halve',
      pattern: op('Mul', [any('x'), 2]),
      replace: ({ ops, value }) => ops.add(value('x'), value('x')),
    });
    const g = new GraphBuilder();
    const x = input(g, 'x', 2);
    g.output('y', g.ops.add(x, x));
    const { applied } = applyRewrites(g.build(), [double, half2]);
    expect((applied['double'] ?? 0) + (applied['halve'] ?? 0)).toBe(8);
  });

  it('that are wrong are found out', async () => {
    const wrong: Rewrite = { ...double, replace: ({ ops, value }) => ops.mul(value('x'), 3) };
    const test: RewriteCase = { name: 'twice', build: (g) => ((x) => g.ops.add(x, x))(input(g)) };
    await expect(checkRewrite(wrong, [test])).rejects.toThrow(/double, twice, draw 0, output "y0": .* elements differ/);
    await expect(checkRewrite(double, [{ ...test, times: 2 }])).rejects.toThrow('applied 1 times instead of 2');
    await expect(checkRewrite(double, [])).rejects.toThrow('double: no cases');
    const narrow: Rewrite = { ...double, replace: ({ ops, value }) => ops.cast(ops.mul(value('x'), 2), 'float64') };
    await expect(checkRewrite(narrow, [test])).rejects.toThrow(/was float32\[2, 3, 8\] and is float64/);
  });

  it('that ask for what their pattern does not name say so', () => {
    const g = new GraphBuilder();
    const x = input(g, 'x', 2);
    g.output('y', g.ops.add(x, x));
    const bad: Rewrite = { ...double, replace: ({ value }) => value('z') };
    expect(() => applyRewrites(g.build(), [bad])).toThrow('the pattern names nothing "z"');
  });
});
