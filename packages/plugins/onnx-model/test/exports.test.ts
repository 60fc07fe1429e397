import { onnxBackend } from '@anneal/backend-onnx';
import { type Backend, type Graph, interpret, type Tensors } from '@anneal/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { importOnnx } from '../src/index.ts';
import { asInTorch, decode, feedsOf, goldenOf, type Golden, LOSSES, read, step } from './fixtures.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 1 });
});
afterAll(() => backend.close());

/** Exporters write tied weights twice: the table, and its transpose as the head. */
const TIED: Readonly<Record<string, readonly [table: string, head: string]>> = {
  gpt2: ['transformer.wte.weight', 'lm_head.weight'],
  llama: ['model.embed_tokens.weight', 'lm_head.weight'],
};

/** Sinusoids that PyTorch keeps as they are: a file does not say so. */
const FIXED = 'embed_positions.weight';

async function imported(name: string, exporter: string): Promise<Graph> {
  const { config, output } = goldenOf(name);
  return (await importOnnx(await read(`${name}.${exporter}`), { config, outputs: [output.name] })).graph;
}

/** Gradients by PyTorch's names, tied ones added up. */
function gradientsOf(name: string, graph: Graph, results: Tensors): ReadonlyMap<string, Float64Array> {
  const found = new Map<string, Float64Array>();
  for (const [key, { transposed, trainable }] of graph.parameters) {
    const gradient = results[`grad:${key}`];
    if (trainable && gradient && key !== FIXED) found.set(key, asInTorch(gradient, transposed));
  }
  const [table = '', head = ''] = TIED[name] ?? [];
  const [a, b] = [found.get(table), found.get(head)];
  if (a && b)
    found.set(
      table,
      a.map((value, i) => value + (b[i] as number)),
    );
  found.delete(head);
  return found;
}

function gap(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).toBe(wanted.length);
  const [scale, difference] = [
    Math.max(...Array.from(wanted, Math.abs)),
    Array.from(actual, (v, i) => Math.abs(v - (wanted[i] as number))),
  ];
  return Math.max(...difference) / Math.max(scale, 1e-3);
}

function expectGolden(name: string, golden: Golden, graph: Graph, results: Tensors, tolerance: number): void {
  expect(gap(results['out']!.data as Float32Array, decode(golden.output).data as Float32Array)).toBeLessThan(1e-5);
  expect(Math.abs(Number(results['loss']!.data[0]) - golden.loss) / golden.loss).toBeLessThan(1e-5);
  const found = gradientsOf(name, graph, results);
  expect([...found.keys()].toSorted()).toEqual(Object.keys(golden.projections).toSorted());
  // The gradient of a key's bias is 0: what is left of it is rounding, next to gradients of this size.
  const largest = Math.max(...Object.values(golden.projections).map(([norm]) => norm));
  for (const [key, [norm, cos, sin]] of Object.entries(golden.projections)) {
    const gradient = found.get(key)!;
    const sum = (f: (value: number, i: number) => number): number => gradient.reduce((a, v, i) => a + f(v, i), 0);
    const floor = Math.max(norm, largest * 1e-2);
    expect(Math.abs(Math.sqrt(sum((v) => v * v)) - norm) / floor, key).toBeLessThan(tolerance);
    expect(Math.abs(sum((v, i) => v * Math.cos(i)) - cos) / floor, key).toBeLessThan(tolerance);
    expect(Math.abs(sum((v, i) => v * Math.sin(i)) - sin) / floor, key).toBeLessThan(tolerance);
  }
  for (const [key, encoded] of Object.entries(golden.gradients)) {
    expect(gap(found.get(key)!, decode(encoded).data as Float32Array), key).toBeLessThan(tolerance);
  }
}

describe.each(Object.keys(LOSSES).flatMap((name) => [[name, 'ts'] as const, [name, 'dynamo'] as const]))(
  '%s, exported by %s',
  (name, exporter) => {
    const golden = goldenOf(name);

    it('has the weights of the checkpoint, by their names', async () => {
      const graph = await imported(name, exporter);
      const shapes = [...graph.parameters].flatMap(([key, { data, transposed, trainable }]) =>
        trainable && key !== TIED[name]?.[1] && key !== FIXED
          ? [[key, transposed ? data.shape.toReversed() : data.shape]]
          : [],
      );
      const wanted = Object.keys(golden.projections).map((key) => [key, golden.parameters[key]]);
      expect(Object.fromEntries(shapes)).toEqual(Object.fromEntries(wanted));
    });

    it('has the outputs, the loss and the gradients of PyTorch', async () => {
      const graph = await imported(name, exporter);
      const program = step(graph, golden.output.name, LOSSES[name]!, { batch: 2, sequence: 7 });
      const exact = await interpret(program, feedsOf(golden), { precision: 'float64' });
      expectGolden(name, golden, graph, exact, 1e-5);
      const compiled = await backend.compile(program, { purpose: 'training' });
      expectGolden(name, golden, graph, await compiled.run(feedsOf(golden)), 1e-4);
      await compiled.dispose();
    });
  },
);
