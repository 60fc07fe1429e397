import { testBackend } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, gradients, referenceBackend, tensor, type TensorData, type Value } from '../src/index.ts';

describe('the reference backend', () => {
  for (const { name, run } of testBackend(referenceBackend)) if (name.startsWith('backend: ')) it(name, run);

  it('says what it is', async () => {
    const backend = referenceBackend();
    expect(backend.info).toEqual({ name: 'reference', version: 'reference 1', device: 'cpu', threads: 1 });
    expect(await backend.memory()).toEqual({ peakRssBytes: undefined });
    await backend.close();
  });

  it('refuses state of another backend', async () => {
    const state = await referenceBackend().createState({});
    const other = {
      ...state,
      names: [],
      read: () => state.read(),
      write: () => state.write({}),
      dispose: () => state.dispose(),
    };
    const g = new GraphBuilder();
    g.output('y', g.ops.neg(g.input('x', 'float32', [1])));
    await expect(referenceBackend().compile(g.build(), { state: other })).rejects.toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_BACKEND', message: 'the state belongs to another backend' }),
    );
  });

  it('refuses a guard that is an update, or not there', async () => {
    const backend = referenceBackend();
    const state = await backend.createState({ w: tensor('float32', [], [0]) });
    const g = new GraphBuilder();
    g.output('next', g.ops.add(g.input('w', 'float32', []), 1));
    for (const guard of ['next', 'loss']) {
      const compiled = backend.compile(g.build(), { state, updates: { next: 'w' }, guard });
      await expect(compiled).rejects.toThrow(/the guard "\w+" must be an output that is not an update/);
    }
  });

  it('wraps what goes wrong in a run', async () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.take(g.ints([1, 2]), g.input('i', 'int64', [])));
    const program = await referenceBackend().compile(g.build(), { label: 'picking' });
    await expect(program.run({ i: tensor('int64', [], [5]) })).rejects.toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_BACKEND',
        message: 'cannot run "picking": Gather: index 5 is outside an axis of 2 elements',
        cause: expect.objectContaining({ code: 'ANNEAL_E_SHAPE' }),
      }),
    );
  });

  it('trains: a linear model finds the line', async () => {
    const backend = referenceBackend();
    const g = new GraphBuilder();
    const [x, y] = [g.input('x', 'float32', [8, 1]), g.input('y', 'float32', [8, 1])];
    const [w, b] = [g.input('w', 'float32', [1, 1]), g.input('b', 'float32', [1])];
    const error = g.ops.sub(g.ops.add(g.ops.matmul(x, w), b), y);
    const loss = g.ops.mean(g.ops.mul(error, error));
    const found = gradients(g, loss, [w, b]);
    g.output('loss', loss);
    for (const [name, value] of Object.entries({ w, b })) {
      g.output(`new.${name}`, g.ops.sub(value, g.ops.mul(found.get(value) as Value, 0.3)));
    }
    const state = await backend.createState({ w: tensor('float32', [1, 1], [0]), b: tensor('float32', [1], [0]) });
    const updates = { 'new.w': 'w', 'new.b': 'b' };
    const step = await backend.compile(g.build(), { state, updates, guard: 'loss', purpose: 'training' });
    const xs = [-1, -0.7, -0.4, -0.1, 0.2, 0.5, 0.8, 1];
    const feeds: Record<string, TensorData> = {
      x: tensor('float32', [8, 1], xs),
      y: tensor(
        'float32',
        [8, 1],
        xs.map((v) => 3 * v - 1),
      ),
    };
    for (let i = 0; i < 100; i++) await step.run(feeds);
    const trained = await state.read();
    expect(trained['w']?.data[0]).toBeCloseTo(3, 4);
    expect(trained['b']?.data[0]).toBeCloseTo(-1, 4);
  });
});
