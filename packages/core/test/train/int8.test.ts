import { type Model, type TrainConfig } from '@anneal/core';
import { type TensorData, withParameters } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { trainTiny } from '../tiny/engine.ts';
import { mlpModel, points } from '../tiny/problem.ts';

const config: TrainConfig = { epochs: 12, batchSize: 6, learningRate: 0.05, optimizer: 'adam', maxGradNorm: 0 };
/** The layer in front is frozen; what is trained lies behind it, and its bias in front of it. */
const trainable = ['first.bias', 'second.bias'];
const rows = points(24, 3);

/** One input is a thousand times as large as the others, and weighs as much less: rounding takes the others away. */
const outliers = rows.map(({ x, ...row }) => ({ ...row, x: (x as number[]).map((v, i) => (i === 0 ? 1e4 * v : v)) }));
function balanced(model: Model): Model {
  const graph = withParameters(model.graph, (name, { data }) => {
    if (name !== 'first.weight') return undefined;
    const source = data as TensorData;
    return { data: { ...source, data: (source.data as Float32Array).map((v, i) => (i < 6 ? 1e-4 * v : v)) } };
  });
  return { ...model, graph };
}

describe('training beside frozen layers in int8', () => {
  const run = (more: TrainConfig, model: Model = mlpModel({ hidden: 6 }), data = rows) =>
    trainTiny({ config: { ...config, ...more }, model, trainable, rows: data });

  it('follows training in fp32, says what it costs, and leaves frozen weights as they are', async () => {
    const [exact, rounded] = [await run({}), await run({ precision: 'int8' })];
    const { int8, curve } = rounded.report;
    expect(exact.report.int8).toBeUndefined();
    expect(int8).toMatchObject({ layers: 2, kept: [] });
    expect(int8?.largestError).toBeGreaterThan(1e-4);
    expect(int8?.largestError).toBeLessThan(0.05);
    const [first, last] = [curve[0]!.loss, curve.at(-1)!.loss];
    expect(last).toBeLessThan(first);
    expect(Math.abs(last - exact.report.curve.at(-1)!.loss)).toBeLessThan(0.02 * first);
    // Rounded it was indeed.
    expect(curve.map(({ loss }) => loss)).not.toEqual(exact.report.curve.map(({ loss }) => loss));
    for (const name of ['first.weight', 'second.weight']) {
      expect(rounded.weights[name]).toEqual(exact.weights[name]);
    }
    expect([...rounded.model.graph.parameters.keys()]).toEqual([...exact.model.graph.parameters.keys()]);
    expect(rounded.logs.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^2 frozen layers in int8, errors up to \d\.\d %$/),
    );
  });

  it('leaves layers alone that lose more than is tolerated', async () => {
    const { report, logs } = await run({ precision: 'int8' }, balanced(mlpModel({ hidden: 6 })), outliers);
    expect(report.int8?.layers).toBe(1);
    expect(report.int8?.kept.map(({ path }) => path)).toEqual(['first']);
    expect(report.int8?.kept[0]?.error).toBeGreaterThan(0.1);
    expect(logs.map(({ message }) => message)).toContainEqual(expect.stringContaining('; too inaccurate: first ('));
  });

  it('is training in fp32 when nothing is accurate enough', async () => {
    const [exact, rounded] = [await run({}), await run({ precision: 'int8', int8Tolerance: 1e-9 })];
    expect(rounded.report.int8).toMatchObject({ layers: 0, largestError: 0 });
    expect(rounded.report.int8?.kept).toHaveLength(2);
    expect(rounded.weights).toEqual(exact.weights);
  });

  it('warns when there is nothing frozen', async () => {
    const all = ['first.weight', 'second.weight', ...trainable];
    const { report, logs } = await trainTiny({
      config: { ...config, precision: 'int8' },
      trainable: all,
      rows,
    });
    expect(report.int8).toBeUndefined();
    expect(logs).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('has no frozen linear layer') }),
    );
  });
});
