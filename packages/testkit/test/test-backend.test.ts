import { type Backend, type Program, referenceBackend, tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';
import { assertClose, differenceOf, opCases, testBackend } from '../src/index.ts';

/** Whether each test passes, by name. */
async function outcomes(tests: ReturnType<typeof testBackend>): Promise<Map<string, string | undefined>> {
  const results = new Map<string, string | undefined>();
  for (const { name, run } of tests) {
    const message = await run().then(
      () => undefined,
      (error: unknown) => String(error),
    );
    results.set(name, message);
  }
  return results;
}

/** The reference, but what one operator computes is negated and programs of another do not compile. */
function broken(negated: string, refused: string): Backend {
  const reference = referenceBackend();
  return {
    ...bound(reference),
    compile: async (graph, options) => {
      if (graph.nodes.some(({ op }) => op === refused)) throw new Error(`no ${refused}`);
      const program = await reference.compile(graph, options);
      return graph.nodes.some(({ op }) => op === negated) ? negate(program) : program;
    },
  };
}

function bound(backend: Backend): Backend {
  return {
    info: backend.info,
    compile: (graph, options) => backend.compile(graph, options),
    createState: (tensors) => backend.createState(tensors),
    memory: () => backend.memory(),
    close: () => backend.close(),
  };
}

function negate(program: Program): Program {
  return {
    inputs: program.inputs,
    outputs: program.outputs,
    run: async (feeds) => {
      const results = await program.run(feeds);
      return Object.fromEntries(
        Object.entries(results).map(([name, { dtype, shape, data }]) => [
          name,
          dtype === 'float32' ? { dtype, shape, data: (data as Float32Array).map((v) => -v) } : { dtype, shape, data },
        ]),
      );
    },
    dispose: () => program.dispose(),
  };
}

describe('testBackend', () => {
  it('passes the reference backend', async () => {
    const results = await outcomes(testBackend(referenceBackend));
    expect([...results].filter(([, message]) => message !== undefined)).toEqual([]);
    expect(results.size).toBeGreaterThan(900);
  });

  it('finds a wrong operator and a missing one', async () => {
    const results = await outcomes(testBackend(broken('Sigmoid', 'Trilu')));
    expect(results.get('Sigmoid: random')).toMatch(/Sigmoid: random: y0: 1[0-5] of 15 elements differ: \[0\] expected/);
    expect(results.get('Trilu: default')).toBe('Error: no Trilu');
    expect(results.get('Tanh: random')).toBeUndefined();
  });

  it('accepts expected failures, and only while they fail', async () => {
    const xfails = { 'Sigmoid: random': 'it is negated', 'Trilu: *': 'not there', 'Tanh: random': 'no reason' };
    const results = await outcomes(testBackend(broken('Sigmoid', 'Trilu'), { xfails }));
    expect(results.get('Sigmoid: random (fails: it is negated)')).toBeUndefined();
    expect(results.get('Trilu: default (fails: not there)')).toBeUndefined();
    expect(results.get('Tanh: random (fails: no reason)')).toBe(
      'Error: "Tanh: random" passes, remove it from the expected failures ("no reason")',
    );
  });

  it('refuses expected failures that are no tests', async () => {
    const results = await outcomes(testBackend(referenceBackend(), { xfails: { 'Nope: *': 'a typo' } }));
    expect(results.get('expected failures are tests')).toBe('Error: no test is called "Nope: *"');
  });

  it('registers what it returns, and opens the backend once', async () => {
    const registered: string[] = [];
    let opened = 0;
    const open = (): Backend => {
      opened++;
      return referenceBackend();
    };
    const tests = testBackend(open, { it: (name) => registered.push(name) });
    expect(registered).toEqual(tests.map(({ name }) => name));
    expect(opened).toBe(0);
    await Promise.all(tests.slice(0, 5).map(({ run }) => run()));
    expect(opened).toBe(1);
  });
});

describe('opCases', () => {
  it('are the same every time, and have different names', () => {
    const first = [...opCases()];
    const second = [...opCases()];
    expect(new Set(first.map(({ name }) => name)).size).toBe(first.length);
    first.forEach(({ feeds }, i) => expect(second[i]?.feeds).toEqual(feeds));
  });
});

describe('assertClose', () => {
  const numbers = (...values: number[]): ReturnType<typeof tensor> => tensor('float64', [values.length], values);

  it('names what differs', () => {
    expect(differenceOf(numbers(1, 2), numbers(1, 2.5))).toBe('1 of 2 elements differ: [1] expected 2.5, received 2');
    expect(differenceOf(numbers(1), numbers(1, 2))).toBe('expected float64[2], received float64[1]');
    expect(differenceOf(tensor('int32', [1], [1]), numbers(1))).toBe('expected float64[1], received int32[1]');
    expect(() => assertClose(numbers(1), numbers(2), undefined, 'loss')).toThrow('loss: 1 of 1 elements differ');
  });

  it('has its own idea of special numbers', () => {
    expect(differenceOf(numbers(Number.NaN, Infinity, -0), numbers(Number.NaN, Infinity, 0))).toBeUndefined();
    const loose = { absolute: 1, relative: 1 };
    expect(differenceOf(numbers(1), numbers(Number.NaN), loose)).toBeDefined();
    expect(differenceOf(numbers(Number.NaN), numbers(1), loose)).toBeDefined();
    expect(differenceOf(numbers(-Infinity), numbers(Infinity), loose)).toBeDefined();
    expect(differenceOf(numbers(1e9), numbers(Infinity), loose)).toBeDefined();
  });

  it('adds the tolerances', () => {
    const tolerance = { absolute: 0.1, relative: 0.01 };
    expect(differenceOf(numbers(101), numbers(100), tolerance)).toBeUndefined();
    expect(differenceOf(numbers(101.2), numbers(100), tolerance)).toBeDefined();
  });
});
