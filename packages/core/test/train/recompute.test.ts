import { describe, expect, it } from 'vitest';

import { featureSpecs } from '../../src/data/batches.ts';
import { HookRegistry } from '../../src/hooks/create.ts';
import { builtinOptimizer } from '../../src/train/optimizers.ts';
import { traceStep } from '../../src/train/step-graph.ts';
import { trainTiny } from '../tiny/engine.ts';
import { points } from '../tiny/problem.ts';
import { encodeSentence, sentences, taggerModel, tagging } from '../tiny/tokens.ts';

const model = taggerModel({ layers: 3, dropout: 0.3 });
const tokens = { rows: sentences(12, 2), model, task: tagging, encode: encodeSentence } as const;

function nodes(recompute: boolean): readonly string[] {
  const { graph } = traceStep(
    {
      stage: 'main',
      model,
      task: tagging,
      hooks: new HookRegistry().hooks,
      specs: featureSpecs(model, tagging),
      trainable: new Set(model.graph.parameters.keys()),
      optimizer: builtinOptimizer('sgd')!,
      weightDecay: 0,
      maxGradNorm: 0,
      recompute,
    },
    4,
    8,
  );
  return graph.nodes.map(({ op, scope }) => `${op} ${scope}`);
}

describe('recomputing blocks', () => {
  it.each([1, 2])('gives the same bits, masks of dropout included: accumulation %i', async (accumulation) => {
    const config = { epochs: 3, batchSize: 4, gradientAccumulationSteps: accumulation, learningRate: 0.05 };
    const kept = await trainTiny({ ...tokens, config });
    const computed = await trainTiny({ ...tokens, config: { ...config, gradientCheckpointing: true } });
    expect(computed.weights).toEqual(kept.weights);
    expect(computed.report.curve).toEqual(kept.report.curve);
  });

  it('computes every block twice, and nothing else', () => {
    const count = (all: readonly string[], pattern: RegExp): number => all.filter((name) => pattern.test(name)).length;
    const [kept, computed] = [nodes(false), nodes(true)];
    for (const layer of [0, 1, 2]) {
      const gelu = new RegExp(`^Gelu encoder.layer.${layer}`);
      expect([count(kept, gelu), count(computed, gelu)]).toEqual([1, 2]);
    }
    const outside = / $/;
    expect(count(computed, outside)).toBe(count(kept, outside));
  });

  it('warns when a model has no blocks', async () => {
    const config = { epochs: 1, gradientCheckpointing: true };
    const { logs } = await trainTiny({ rows: points(6, 1), config });
    expect(logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      '`gradientCheckpointing` of stage main has no effect: the module paths of the model have no repeated block such as "layers.0", "layers.1"',
    ]);
    const { logs: none } = await trainTiny({ ...tokens, config });
    expect(none.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});
