import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import { evaluate } from '../src/interpret/evaluate.ts';
import type { Graph, Value } from '../src/ir.ts';
import { tensor, type TensorData } from '../src/tensor.ts';
import { decode, type EncoderFixture, isLinear, traceEncoder, transposed } from './autodiff/encoder.ts';
import { expectClose } from './autodiff/harness.ts';

const path = new URL('fixtures/encoder.json', import.meta.url);
const fixture = JSON.parse(readFileSync(path, 'utf8')) as EncoderFixture;
const names = Object.keys(fixture.weights);

function inLayout(name: string, data: TensorData, layout: 'in-out' | 'out-in'): TensorData {
  return layout === 'in-out' && isLinear(name) ? transposed(data) : data;
}

/** The encoder with the fixture's weights as parameters. */
function trace(
  layout: 'in-out' | 'out-in',
  dtype: 'float32' | 'float64',
): { g: GraphBuilder; weights: Map<string, Value>; loss: Value; logits: Value } {
  const g = new GraphBuilder();
  const weights = new Map(
    names.map((name) => {
      const data = inLayout(name, decode(fixture.weights[name] as never), layout);
      const converted = tensor(dtype, data.shape, Array.from(data.data, Number));
      return [name, g.parameter(name, converted, { trainable: true })];
    }),
  );
  return { g, weights, ...traceEncoder(g, fixture, { layout, weight: (name) => weights.get(name) as Value }) };
}

describe('a BERT encoder with its loss', () => {
  it.each([
    ['in-out', 'float64', 1e-9],
    ['out-in', 'float64', 1e-9],
    ['in-out', 'float32', 2e-5],
  ] as const)('has the gradients of PyTorch (%s, %s)', (layout, dtype, tolerance) => {
    const { g, weights, loss, logits } = trace(layout, dtype);
    const found = gradients(g, loss, [...weights.values()]);
    for (const [name, value] of weights) g.output(name, found.get(value) as Value);
    g.output('loss', loss);
    g.output('logits', logits);
    const results = evaluate(g.build(), {});
    expectClose(Array.from(results['loss']?.data ?? [], Number), [fixture.loss], tolerance, 'loss');
    expectClose(
      Array.from(results['logits']?.data ?? [], Number),
      Array.from(decode(fixture.logits).data, Number),
      tolerance,
      'logits',
    );
    for (const name of names) {
      const expected = inLayout(name, decode(fixture.gradients[name] as never), layout);
      expect(results[name]?.shape).toEqual(expected.shape);
      expectClose(Array.from(results[name]?.data ?? [], Number), Array.from(expected.data, Number), tolerance, name);
    }
  });

  it('computes nothing for frozen weights', () => {
    const { g, weights, loss } = trace('in-out', 'float32');
    const forward = g.nodes.length;
    gradients(g, loss, [weights.get('classifier.weight') as Value]);
    // Two poolings share the classifier: their losses back through its products only.
    const backward = g.nodes.slice(forward).map(({ op }) => op);
    expect(backward).not.toContain('Erf');
    expect(backward.filter((op) => op === 'Gemm')).toHaveLength(2);

    const lora = trace('in-out', 'float32');
    const query = lora.weights.get('encoder.layer.1.attention.self.query.weight') as Value;
    const start = lora.g.nodes.length;
    gradients(lora.g, lora.loss, [query]);
    const products = lora.g.nodes.slice(start).filter(({ outputs }) => outputs[0]?.shape.join() === query.shape.join());
    expect(products).toHaveLength(1);
  });
});

describe('recomputation', () => {
  /** The encoder's gradients, with each layer as a segment or without. */
  function gradientGraph(
    recompute: boolean,
    dtype: 'float32' | 'float64' = 'float64',
  ): { graph: Graph; kept: Set<Value> } {
    const { g, weights, loss } = trace('in-out', dtype);
    const forward = g.nodes.flatMap(({ outputs }) => outputs).filter((value) => value !== undefined);
    const before = g.nodes.length;
    const found = gradients(g, loss, [...weights.values()], {
      recompute: recompute ? ({ scope }) => /layer\.\d+/.exec(scope)?.[0] : undefined,
    });
    const used = new Set(g.nodes.slice(before).flatMap(({ inputs }) => inputs));
    for (const [name, value] of weights) g.output(name, found.get(value) as Value);
    return { graph: g.build(), kept: new Set(forward.filter((value) => used.has(value))) };
  }

  it.each(['float64', 'float32'] as const)(
    'keeps what enters a layer, with the same gradients to the bit (%s)',
    (dtype) => {
      const [plain, saving] = [gradientGraph(false, dtype), gradientGraph(true, dtype)];
      const wide = ({ kept }: { kept: Set<Value> }): number =>
        [...kept].filter(({ shape }) => shape.at(-1) === 64).length;
      expect(wide(plain)).toBeGreaterThan(0);
      expect(wide(saving)).toBe(0);
      expect(saving.kept.size).toBeLessThan(plain.kept.size / 2);
      expect(evaluate(saving.graph, {})).toEqual(evaluate(plain.graph, {}));
    },
  );

  it('makes copies wait for the gradient', () => {
    const { graph } = gradientGraph(true);
    const late = new Set<Value>();
    const gelus = { early: 0, late: 0 };
    for (const { op, inputs, outputs } of graph.nodes) {
      const after = op === 'LogSoftmax' || inputs.some((value) => value && late.has(value));
      if (op === 'Gelu') gelus[after ? 'late' : 'early']++;
      if (after) for (const value of outputs) if (value) late.add(value);
    }
    expect(gelus).toEqual({ early: 2, late: 2 });
  });
});
