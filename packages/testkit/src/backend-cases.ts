import {
  type Backend,
  type BackendState,
  bytesOf,
  type Graph,
  GraphBuilder,
  type GraphErrorCode,
  memorySource,
  tensor,
  type TensorData,
} from '@anneal/graph';
import { assertClose } from './compare.ts';

/** One promise of the `Backend` interface, and how to see whether it is kept. */
export interface BackendCase {
  readonly name: string;
  readonly run: (backend: Backend) => Promise<void>;
}

const floats = (...values: number[]): TensorData => tensor('float32', [values.length], values);
const scalar = (value: number): TensorData => tensor('float32', [], [value]);

function graphOf(build: (g: GraphBuilder) => void, name: string): Graph {
  const g = new GraphBuilder();
  build(g);
  return g.build({ name });
}

/** `y = 2x`, of any length. */
const doubled: () => Graph = () =>
  graphOf((g) => g.output('y', g.ops.mul(g.input('x', 'float32', ['n']), 2)), 'doubled');

/** `next = w + x`, `before = w`. */
const adding: () => Graph = () =>
  graphOf((g) => {
    const [w, x] = [g.input('w', 'float32', [2]), g.input('x', 'float32', [2])];
    g.output('next', g.ops.add(w, x));
    g.output('before', g.ops.identity(w));
  }, 'adding');

function assert(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

/** Expects a rejection with the code. */
async function rejects(action: () => Promise<unknown>, code: GraphErrorCode, what: string): Promise<void> {
  const received = await action().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(`${what}: not an error was thrown`)),
  );
  const found = received && 'code' in received ? received.code : undefined;
  assert(found === code, `${what}: expected an error ${code}, received ${received?.message ?? 'none'}`);
}

async function expectState(state: BackendState, expected: Readonly<Record<string, TensorData>>): Promise<void> {
  const found = await state.read();
  for (const [name, value] of Object.entries(expected))
    assertClose(found[name] as TensorData, value, undefined, `state "${name}"`);
}

async function adder(
  backend: Backend,
): Promise<{ state: BackendState; add: (...by: number[]) => Promise<TensorData> }> {
  const state = await backend.createState({ w: floats(0, 0) });
  const program = await backend.compile(adding(), { state, updates: { next: 'w' }, purpose: 'training' });
  return { state, add: async (...by) => (await program.run({ x: floats(...by) }))['before'] as TensorData };
}

/** What every backend promises about programs, state, updates and errors. */
export const BACKEND_CASES: readonly BackendCase[] = [
  {
    name: 'runs one program with several sizes',
    run: async (backend) => {
      const program = await backend.compile(doubled());
      assertClose((await program.run({ x: floats(1, 2) }))['y'] as TensorData, floats(2, 4));
      assertClose((await program.run({ x: floats(1, 2, 3) }))['y'] as TensorData, floats(2, 4, 6));
      await program.dispose();
    },
  },
  {
    name: 'leaves the feeds as they are',
    run: async (backend) => {
      const program = await backend.compile(doubled());
      const x = floats(1, 2);
      await program.run({ x });
      assertClose(x, floats(1, 2), undefined, 'feed');
      assertClose((await program.run({ x }))['y'] as TensorData, floats(2, 4));
    },
  },
  {
    name: 'reads lazy parameters',
    run: async (backend) => {
      const source = memorySource(bytesOf(floats(0, 10, 20)));
      const graph = graphOf((g) => {
        const w = g.parameter('w', { dtype: 'float32', shape: [2], source, offset: 4 });
        g.output('y', g.ops.add(g.input('x', 'float32', [2]), w));
      }, 'lazy');
      const program = await backend.compile(graph);
      assertClose((await program.run({ x: floats(1, 2) }))['y'] as TensorData, floats(11, 22));
    },
  },
  {
    name: 'names the inputs to feed and the outputs to expect',
    run: async (backend) => {
      const state = await backend.createState({ w: floats(0, 0) });
      const program = await backend.compile(adding(), { state, updates: { next: 'w' } });
      assert([...program.inputs.keys()].join() === 'x', `inputs are ${[...program.inputs.keys()].join()}, expected x`);
      assert(program.outputs.join() === 'before', `outputs are ${program.outputs.join()}, expected before`);
      assert(Object.keys(await program.run({ x: floats(1, 1) })).join() === 'before', 'an update is returned too');
    },
  },
  {
    name: 'replaces the state by outputs, run after run',
    run: async (backend) => {
      const { state, add } = await adder(backend);
      assertClose(await add(1, 2), floats(0, 0));
      assertClose(await add(1, 2), floats(1, 2));
      await expectState(state, { w: floats(2, 4) });
    },
  },
  {
    name: 'serialises runs in call order',
    run: async (backend) => {
      const { state, add } = await adder(backend);
      const results = await Promise.all([add(1, 0), add(2, 0), add(4, 0)]);
      results.forEach((result, i) => assertClose(result, floats([0, 1, 3][i] as number, 0), undefined, `run ${i}`));
      await expectState(state, { w: floats(7, 0) });
    },
  },
  {
    name: 'reads all of the old state before it writes the new one',
    run: async (backend) => {
      const state = await backend.createState({ a: floats(1), b: floats(2) });
      const graph = graphOf((g) => {
        const [a, b] = [g.input('a', 'float32', [1]), g.input('b', 'float32', [1])];
        g.output('newA', g.ops.mul(b, 1));
        g.output('newB', g.ops.mul(a, 1));
      }, 'swapping');
      const program = await backend.compile(graph, { state, updates: { newA: 'a', newB: 'b' }, purpose: 'training' });
      await program.run({});
      await expectState(state, { a: floats(2), b: floats(1) });
      await program.run({});
      await expectState(state, { a: floats(1), b: floats(2) });
    },
  },
  {
    name: 'shares one state between programs',
    run: async (backend) => {
      const { state, add } = await adder(backend);
      const reader = await backend.compile(
        graphOf((g) => g.output('y', g.ops.mul(g.input('w', 'float32', [2]), 10)), 'reading'),
        { state },
      );
      await add(1, 2);
      assertClose((await reader.run({}))['y'] as TensorData, floats(10, 20));
    },
  },
  {
    name: 'keeps the state when the guard is not finite',
    run: async (backend) => {
      const state = await backend.createState({ w: floats(1) });
      const graph = graphOf((g) => {
        const [w, x] = [g.input('w', 'float32', [1]), g.input('x', 'float32', [])];
        g.output('next', g.ops.add(w, x));
        g.output('loss', g.ops.mul(x, 2));
      }, 'guarded');
      const program = await backend.compile(graph, {
        state,
        updates: { next: 'w' },
        guard: 'loss',
        purpose: 'training',
      });
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        assertClose((await program.run({ x: scalar(bad) }))['loss'] as TensorData, scalar(2 * bad), undefined, 'guard');
        await expectState(state, { w: floats(1) });
      }
      await program.run({ x: scalar(2) });
      await expectState(state, { w: floats(3) });
    },
  },
  {
    name: 'copies what is written into the state and read from it',
    run: async (backend) => {
      const first = floats(1, 2);
      const state = await backend.createState({ w: first });
      first.data[0] = 9;
      await expectState(state, { w: floats(1, 2) });
      const read = (await state.read(['w']))['w'] as TensorData;
      read.data[0] = 9;
      await expectState(state, { w: floats(1, 2) });
      await state.write({ w: floats(3, 4) });
      await expectState(state, { w: floats(3, 4) });
      assert(state.names.join() === 'w', `names are ${state.names.join()}, expected w`);
    },
  },
  {
    name: 'refuses state of another shape, type or name',
    run: async (backend) => {
      const state = await backend.createState({ w: floats(1, 2) });
      await rejects(() => state.write({ w: floats(1) }), 'ANNEAL_E_SHAPE', 'a shorter tensor');
      await rejects(() => state.write({ w: tensor('int32', [2], [1, 2]) }), 'ANNEAL_E_DTYPE', 'integers');
      await rejects(() => state.write({ v: floats(1, 2) }), 'ANNEAL_E_BACKEND', 'another name');
      await rejects(() => state.read(['v']), 'ANNEAL_E_BACKEND', 'reading another name');
      await expectState(state, { w: floats(1, 2) });
      await state.dispose();
      await rejects(() => state.read(), 'ANNEAL_E_BACKEND', 'reading after dispose');
    },
  },
  {
    name: 'refuses feeds that do not fit',
    run: async (backend) => {
      const program = await backend.compile(
        graphOf((g) => g.output('y', g.ops.neg(g.input('x', 'float32', [2]))), 'fixed'),
      );
      await rejects(() => program.run({}), 'ANNEAL_E_BACKEND', 'no feed');
      await rejects(() => program.run({ x: floats(1, 2), z: floats(1) }), 'ANNEAL_E_BACKEND', 'an unknown feed');
      await rejects(() => program.run({ x: floats(1) }), 'ANNEAL_E_SHAPE', 'another shape');
      await rejects(() => program.run({ x: tensor('int32', [2], [1, 2]) }), 'ANNEAL_E_DTYPE', 'another type');
      assertClose((await program.run({ x: floats(1, 2) }))['y'] as TensorData, floats(-1, -2));
      await program.dispose();
      await rejects(() => program.run({ x: floats(1, 2) }), 'ANNEAL_E_BACKEND', 'a run after dispose');
    },
  },
  {
    name: 'refuses updates that do not fit',
    run: async (backend) => {
      const state = await backend.createState({ w: floats(0, 0) });
      const compile = (updates: Record<string, string>, own: BackendState | undefined = state): Promise<unknown> =>
        backend.compile(adding(), { state: own, updates });
      await rejects(() => compile({ none: 'w' }), 'ANNEAL_E_BACKEND', 'an unknown output');
      await rejects(() => compile({ next: 'v' }), 'ANNEAL_E_BACKEND', 'an unknown entry');
      await rejects(() => compile({ next: 'w', before: 'w' }), 'ANNEAL_E_BACKEND', 'two outputs for an entry');
      await rejects(() => backend.compile(adding(), { updates: { next: 'w' } }), 'ANNEAL_E_BACKEND', 'no state');
      const other = await backend.createState({ w: floats(0) });
      await rejects(() => compile({}, other), 'ANNEAL_E_SHAPE', 'an entry of another shape');
    },
  },
];
