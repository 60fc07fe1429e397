import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Backend, type CompileOptions, type Graph, GraphBuilder, referenceBackend, tensor } from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';

let onnx: Backend;
let other: Backend;
const reference = referenceBackend();
beforeAll(async () => {
  [onnx, other] = await Promise.all([onnxBackend({ threads: 1 }), onnxBackend({ threads: 1 })]);
});
afterAll(() => Promise.all([onnx.close(), other.close()]));

const vector = (...values: number[]) => tensor('float32', [values.length], values);
const scalar = (value: number) => tensor('float32', [], [value]);

/** w' = w - lr · w, n' = n + 1; the loss is the sum of the new w. `open` leaves the size to run time. */
function decay(open = false): Graph {
  const g = new GraphBuilder();
  const w = g.input('w', 'float32', [open ? 'size' : 2]);
  const n = g.input('n', 'float32', []);
  const lr = g.input('lr', 'float32', []);
  const next = g.ops.sub(w, g.ops.mul(w, lr));
  g.output('loss', g.ops.sum(next));
  g.output('w.next', next);
  g.output('n.next', g.ops.add(n, 1));
  return g.build({ name: 'decay' });
}

const updates = { 'w.next': 'w', 'n.next': 'n' };

describe.each([
  ['onnx', () => onnx],
  ['reference', () => reference],
])('state of the %s backend', (_name, backend) => {
  const start = () => backend().createState({ w: vector(8, 4), n: scalar(0) });

  it('reads copies of what was put in', async () => {
    const w = vector(8, 4);
    const state = await backend().createState({ w, n: scalar(0) });
    w.data[0] = 99;
    expect(state.names).toEqual(['w', 'n']);
    const first = await state.read();
    expect(first).toEqual({ w: vector(8, 4), n: scalar(0) });
    (first['w'] as { data: Float32Array }).data[0] = 99;
    expect(await state.read(['w'])).toEqual({ w: vector(8, 4) });
  });

  it.each([
    ['of fixed size', false],
    ['of open size', true],
  ])('is replaced after each run of a program %s', async (_case, open) => {
    const state = await start();
    const program = await backend().compile(decay(open), { state, updates, purpose: 'training' });
    expect([...program.inputs.keys()]).toEqual(['lr']);
    expect(program.outputs).toEqual(['loss']);
    for (let i = 1; i <= 3; i++) expect(await program.run({ lr: scalar(0.5) })).toEqual({ loss: scalar(12 / 2 ** i) });
    expect(await state.read()).toEqual({ w: vector(1, 0.5), n: scalar(3) });
  });

  it('starts with zeros where none are sent, and becomes zero again', async () => {
    const state = await backend().createState({ w: vector(8, 4) }, { n: { dtype: 'float32', shape: [] } });
    expect(await state.read()).toEqual({ w: vector(8, 4), n: scalar(0) });
    const program = await backend().compile(decay(), { state, updates, inPlace: true });
    await program.run({ lr: scalar(0.5) });
    await program.run({ lr: scalar(0.5) });
    expect(await state.read()).toEqual({ w: vector(2, 1), n: scalar(2) });
    await state.clear(['n']);
    expect(await state.read()).toEqual({ w: vector(2, 1), n: scalar(0) });
    await expect(state.clear(['m'])).rejects.toThrow(/no entry "m"/);
  });

  it('is shared by programs', async () => {
    const state = await start();
    const step = await backend().compile(decay(), { state, updates });
    const g = new GraphBuilder();
    g.output('total', g.ops.sum(g.input('w', 'float32', [2])));
    const total = await backend().compile(g.build(), { state });
    expect(await total.run({})).toEqual({ total: scalar(12) });
    await step.run({ lr: scalar(0.5) });
    expect(await total.run({})).toEqual({ total: scalar(6) });
    await state.write({ w: vector(1, 2) });
    expect(await total.run({})).toEqual({ total: scalar(3) });
  });

  it('swaps entries when a program says so: old values are read, then all are replaced', async () => {
    const state = await backend().createState({ a: vector(1), b: vector(2) });
    const g = new GraphBuilder();
    const [a, b] = [g.input('a', 'float32', [1]), g.input('b', 'float32', [1])];
    g.output('to b', a);
    g.output('to a', b);
    const swap = await backend().compile(g.build(), { state, updates: { 'to b': 'b', 'to a': 'a' } });
    await swap.run({});
    expect(await state.read()).toEqual({ a: vector(2), b: vector(1) });
    await swap.run({});
    expect(await state.read()).toEqual({ a: vector(1), b: vector(2) });
  });

  it.each([
    ['of fixed size', false],
    ['of open size', true],
  ])('stays as it was when the guard is not finite, in a program %s', async (_case, open) => {
    const state = await start();
    const program = await backend().compile(decay(open), { state, updates, guard: 'loss' });
    expect(await program.run({ lr: scalar(NaN) })).toEqual({ loss: scalar(NaN) });
    expect(await program.run({ lr: scalar(-Infinity) })).toEqual({ loss: scalar(Infinity) });
    expect(await state.read()).toEqual({ w: vector(8, 4), n: scalar(0) });
    await program.run({ lr: scalar(0.5) });
    expect(await state.read()).toEqual({ w: vector(4, 2), n: scalar(1) });
  });

  const wrong: [string, CompileOptions, RegExp][] = [
    ['an output that is not there', { updates: { nothing: 'w' } }, /the output "nothing"/],
    ['an entry that is not there', { updates: { loss: 'nothing' } }, /no entry "nothing"/],
    ['two updates of one entry', { updates: { loss: 'n', 'n.next': 'n' } }, /both replace the entry "n"/],
    ['a guard that is not there', { updates, guard: 'nothing' }, /"nothing"/],
    ['a guard that is an update', { updates, guard: 'n.next' }, /guard/],
  ];
  it.each(wrong)('refuses %s', async (_case, options, message) => {
    const state = await start();
    await expect(backend().compile(decay(), { state, ...options })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringMatching(message),
    });
  });

  it('refuses updates without a state', async () => {
    await expect(backend().compile(decay(), { updates })).rejects.toThrow('`updates` need a `state`');
  });

  it('refuses a graph whose input differs from the entry', async () => {
    const state = await backend().createState({ w: vector(1, 2, 3), n: scalar(0) });
    await expect(backend().compile(decay(), { state })).rejects.toMatchObject({ code: 'ANNEAL_E_SHAPE' });
  });

  it('refuses to write another type, shape or entry', async () => {
    const state = await start();
    await expect(state.write({ w: vector(1) })).rejects.toMatchObject({ code: 'ANNEAL_E_SHAPE' });
    await expect(state.write({ w: tensor('int32', [2], [1, 2]) })).rejects.toMatchObject({ code: 'ANNEAL_E_DTYPE' });
    await expect(state.write({ v: vector(1) })).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
    await expect(state.read(['v'])).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
    expect(await state.read()).toEqual({ w: vector(8, 4), n: scalar(0) });
  });
});

describe('state of the onnx backend', () => {
  it('is gone when disposed', async () => {
    const state = await onnx.createState({ w: vector(8, 4), n: scalar(0) });
    const program = await onnx.compile(decay(), { state, updates });
    await state.dispose();
    await state.dispose();
    await expect(state.read()).rejects.toThrow('the state is disposed');
    await expect(onnx.compile(decay(), { state })).rejects.toThrow('the state is disposed');
    await expect(program.run({ lr: scalar(1) })).rejects.toThrow('cannot run "decay": the state is disposed');
  });

  it('refuses a state of another backend', async () => {
    const state = await other.createState({ w: vector(8, 4), n: scalar(0) });
    await expect(onnx.compile(decay(), { state, updates })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringContaining('belongs to another backend'),
    });
  });

  it('refuses an update of another shape, also when it shows only at run time', async () => {
    const state = await onnx.createState({ w: vector(8, 4) });
    const g = new GraphBuilder();
    const w = g.input('w', 'float32', [2]);
    g.output('longer', g.ops.concat([w, w], { axis: 0 }));
    await expect(onnx.compile(g.build(), { state, updates: { longer: 'w' } })).rejects.toMatchObject({
      code: 'ANNEAL_E_SHAPE',
    });

    const open = new GraphBuilder();
    const x = open.input('x', 'float32', ['size']);
    open.output('x.next', open.ops.add(x, open.ops.identity(x)));
    const program = await onnx.compile(open.build(), { state, updates: { 'x.next': 'w' } });
    await expect(program.run({ x: vector(1, 2, 3) })).rejects.toThrow(
      /"x.next" is float32\[3\], the state "w" is float32\[2\]/,
    );
    expect(await state.read()).toEqual({ w: vector(8, 4) });
    await program.run({ x: vector(1, 2) });
    expect(await state.read()).toEqual({ w: vector(2, 4) });
  });

  it('stays as it was when a run fails', async () => {
    const state = await onnx.createState({ w: vector(8, 4) });
    const g = new GraphBuilder();
    const w = g.input('w', 'float32', [2]);
    const index = g.input('index', 'int64', [1]);
    const next = g.ops.mul(w, 2);
    g.output('w.next', next);
    g.output('picked', g.ops.take(next, index));
    const program = await onnx.compile(g.build(), { state, updates: { 'w.next': 'w' } });
    await expect(program.run({ index: tensor('int64', [1], [7n]) })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
    });
    expect(await state.read()).toEqual({ w: vector(8, 4) });
    expect(await program.run({ index: tensor('int64', [1], [1n]) })).toEqual({ picked: vector(8) });
    expect(await state.read()).toEqual({ w: vector(16, 8) });
  });

  it('refuses a type that cannot be fed', async () => {
    await expect(onnx.createState({ w: tensor('bfloat16', [1], [0]) })).rejects.toMatchObject({
      code: 'ANNEAL_E_DTYPE',
    });
  });

  it('carries entries larger than one message', async () => {
    const large = new Float32Array(20 * 2 ** 20).fill(3);
    const state = await onnx.createState({ large: tensor('float32', [large.length], large), small: vector(1) });
    const { large: read, small } = await state.read();
    expect(small).toEqual(vector(1));
    expect(read?.data.length).toBe(large.length);
    expect([read?.data[0], read?.data[large.length - 1]]).toEqual([3, 3]);
    await state.dispose();
  });
});
