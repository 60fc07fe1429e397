import type { PluginFactory, StepContext } from '@anneal/core';
import { referenceBackend, tensor, type Value } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { type Options, plugin, problems } from './problems.ts';

describe('a traced hook', () => {
  const value = tensor('float32', [2, 2], [0.5, -1, 2, 3]);
  const traced = (fn: (x: Value, step: StepContext) => Value): PluginFactory<Options> =>
    plugin((api) => api.hooks.train.transformTargets.tap(fn));
  const one = (factory: PluginFactory<Options>, test: object = {}): Promise<Readonly<Record<string, string>>> =>
    problems(factory, { traced: [{ name: 'it', hook: 'transformTargets', value, ...test }] });

  it('that computes something else', async () => {
    const found = await one(
      traced((x, { ops }) => ops.mul(x, 2)),
      { expect: value },
    );
    expect(found['it, train.transformTargets (reference)']).toMatch(
      /^what came out: 4 of 4 elements differ: \[0\] expected 0\.5, received 1;/,
    );
  });

  it('that does something where it should do nothing', async () => {
    const found = await one(
      traced((x, { ops }) => ops.identity(x)),
      { expect: 'same' },
    );
    expect(found['it, train.transformTargets (reference)']).toBe('the hook made something else, expected what it got');
    expect(
      await one(
        traced((x) => x),
        { expect: 'same' },
      ),
    ).toEqual({});
  });

  it('that computes a loss of outputs and targets', async () => {
    const squares = plugin((api) => {
      api.hooks.train.transformLoss.tap((_, { ops, outputs, targets }) => {
        const difference = ops.sub(outputs['y']!, targets);
        return ops.mean(ops.mul(difference, difference));
      });
    });
    const loss = {
      name: 'it',
      hook: 'transformLoss',
      value: tensor('float32', [], [7]),
      outputs: { y: tensor('float32', [2], [1, 5]) },
      targets: tensor('float32', [2], [2, 2]),
    } as const;
    expect(await problems(squares, { traced: [{ ...loss, expect: tensor('float32', [], [5]) }] })).toEqual({});
    expect(Object.keys(await problems(squares, { traced: [{ ...loss, expect: 'same' }] }))).toHaveLength(1);
  });

  it('whose gradient is wrong', async () => {
    const wrong = plugin((api) => {
      api.hooks.train.transformLoss.tap((x, { ops }) => ops.withGradient(ops.mul(x, 3), x, ops.mul(x, 2)));
    });
    const loss = { name: 'it', hook: 'transformLoss', value: tensor('float32', [], [2]) } as const;
    expect(await problems(wrong, { traced: [loss] })).toEqual({
      'it, train.transformLoss: its gradient is that of finite differences': expect.stringMatching(
        /^the gradient by value:value\[0\] is -?\d.*, finite differences say -?\d/,
      ),
    });
    const stopped = traced((x, { ops }) => ops.mul(ops.stopGradient(x), 3));
    expect(Object.values(await one(stopped))).toEqual([
      expect.stringMatching(/^the gradient by value:value\[0\] is 0, finite differences say .* \(.*cut on purpose\)$/),
    ]);
    expect(await one(stopped, { gradient: false })).toEqual({});
  });

  it('whose gradient by a parameter is wrong', async () => {
    const parameters = { w: tensor('float32', [2], [1, -2]) };
    const fn = (stop: boolean) =>
      traced((x, { ops, parameters: all }) => ops.add(x, stop ? ops.stopGradient(all.get('w')!) : all.get('w')!));
    expect(await one(fn(false), { parameters })).toEqual({});
    expect(Object.values(await one(fn(true), { parameters }))).toEqual([
      expect.stringMatching(/^the gradient by parameter:w\[0\] is 0/),
    ]);
  });

  it('that is another one every time', async () => {
    const found = await one(traced((x, { ops }) => ops.mul(x, Math.random())));
    expect(Object.values(found)).toContain('two traces of the same hook made different graphs');
  });

  it('that changes what it is given', async () => {
    const found = await one(
      traced((x, { features }) => {
        delete (features as Record<string, Value>)['a'];
        return x;
      }),
      { features: { a: value } },
    );
    expect(Object.values(found)).toEqual([
      expect.stringContaining('changed in place: argument 2 of train.transformTargets at `.features'),
    ]);
  });

  it('that the plugin does not tap', async () => {
    const found = await one(plugin(() => undefined));
    expect(found['it, train.transformTargets (reference)']).toBe('the plugin does not tap train.transformTargets');
  });

  it('on a backend that computes something else', async () => {
    const wrongBackend = (): Promise<ReturnType<typeof referenceBackend>> => {
      const backend = referenceBackend();
      const compile = backend.compile.bind(backend);
      return Promise.resolve(
        Object.assign(backend, {
          compile: async (...args: Parameters<typeof compile>) => {
            const program = await compile(...args);
            return Object.assign(program, {
              run: () => Promise.resolve({ value: tensor('float32', [2, 2], [0, 0, 0, 0]) }),
            });
          },
        }),
      );
    };
    const found = await problems(
      traced((x, { ops }) => ops.mul(x, 2)),
      {
        traced: [{ name: 'it', hook: 'transformTargets', value }],
        backends: { wrong: wrongBackend },
      },
    );
    expect(Object.keys(found)).toEqual(['it, train.transformTargets (wrong)']);
  });

  it('has scalars and random tensors of the step', async () => {
    const annealed = plugin((api) => {
      api.hooks.train.transformLoss.tap((loss, { ops, scalar, random }) => {
        const scale = ops.mul(
          scalar('t', ({ step, totalSteps }) => step / totalSteps),
          scalar('t', 2),
        );
        return ops.add(ops.mul(loss, scale), ops.mul(ops.sum(random('r', [3], { kind: 'bernoulli', rate: 1 })), 10));
      });
    });
    const found = await problems(annealed, {
      traced: [
        {
          name: 'half way',
          hook: 'transformLoss',
          value: tensor('float32', [], [4]),
          progress: { step: 5 },
          expect: tensor('float32', [], [34]),
        },
      ],
    });
    expect(found).toEqual({});
  });

  it('takes tensors by name', async () => {
    const clipped = plugin((api) => {
      api.hooks.train.transformGradients.tap(
        (gradients, { ops }) => new Map([...gradients].map(([name, x]) => [name, ops.clip(x, { min: -1, max: 1 })])),
      );
      api.hooks.train.transformOutputs.tap(({ logits, ...rest }, { ops }) => ({
        ...rest,
        logits: ops.mul(logits!, 2),
      }));
    });
    const found = await problems(clipped, {
      traced: [
        {
          name: 'gradients',
          hook: 'transformGradients',
          value: { w: value },
          expect: { w: tensor('float32', [2, 2], [0.5, -1, 1, 1]) },
        },
        {
          name: 'outputs',
          hook: 'transformOutputs',
          value: { logits: value, hidden: value },
          expect: { logits: tensor('float32', [2, 2], [1, -2, 4, 6]), hidden: value },
        },
        { name: 'other outputs', hook: 'transformOutputs', value: { logits: value }, expect: { scores: value } },
      ],
    });
    expect(found).toEqual({
      'other outputs, train.transformOutputs (reference)': 'what came out: logits is unexpected\nscores is missing',
    });
  });
});
