import type { PluginFactory } from '@anneal/core';
import { type Backend, evaluate, type Graph, referenceBackend, type TensorData, writeOnnx } from '@anneal/graph';

import { differenceOf, type Tolerance } from '../compare.ts';
import { pluginOf, REFERENCE } from './check-builds.ts';
import { gradientDifference } from './finite-differences.ts';
import { graphOf, named, trace, type Traced } from './trace.ts';
import type { OpenBackend, PluginTest, TracedCase } from './types.ts';
import { watched } from './watch.ts';

/** Runtimes sum in another order and approximate functions. */
const TOLERANCE: Tolerance = { absolute: 1e-5, relative: 1e-4 };

function compare(
  what: string,
  received: Readonly<Record<string, TensorData>>,
  expected: ReadonlyMap<string, TensorData>,
  tolerance: Tolerance,
): void {
  const names = [...new Set([...Object.keys(received), ...expected.keys()])];
  const wrong = names.flatMap((name) => {
    const [got, wanted] = [received[name], expected.get(name)];
    if (got === undefined || wanted === undefined)
      return [`${name} is ${got === undefined ? 'missing' : 'unexpected'}`];
    const difference = differenceOf(got, wanted, tolerance);
    return difference === undefined ? [] : [names.length > 1 ? `${name}: ${difference}` : difference];
  });
  if (wrong.length > 0) throw new Error(`${what}: ${wrong.join('\n')}`);
}

async function runOn(backend: Backend, graph: Graph, feeds: Traced['feeds']): Promise<Record<string, TensorData>> {
  try {
    const program = await backend.compile(graph, { label: 'traced' });
    const result = await program.run(feeds);
    await program.dispose();
    return result;
  } finally {
    await backend.close();
  }
}

/** Whether the hook gave back the very values that it got. */
function isUntouched({ given, made }: Traced): boolean {
  return given.size === made.size && [...given].every(([name, value]) => made.get(name) === value);
}

/** The tests of one hook of the training step. */
export function tracedTests<In>(
  factory: PluginFactory<In>,
  test: TracedCase<In>,
  backends: Readonly<Record<string, OpenBackend>>,
): readonly PluginTest[] {
  const { name, hook, options, expect, tolerance = TOLERANCE, gradient = true } = test;
  const label = `${name}, train.${hook}`;
  const traced = (): Promise<Traced> => trace(pluginOf(factory, options), test);
  const onBackend = ([backend, open]: [string, OpenBackend]): PluginTest => ({
    name: `${label} (${backend})`,
    run: async () => {
      const found = await traced();
      const { feeds } = found;
      if (expect === 'same' && !isUntouched(found))
        throw new Error('the hook made something else, expected what it got');
      const graph = graphOf(found);
      const wanted =
        expect === undefined || expect === 'same' ? new Map(Object.entries(evaluate(graph, feeds))) : named(expect);
      const received = await runOn(await open(), graph, feeds);
      compare('what came out', received, wanted, tolerance);
    },
  });
  const differentiated: PluginTest = {
    name: `${label}: its gradient is that of finite differences`,
    run: async () => {
      const difference = gradientDifference(await traced());
      if (difference !== undefined) throw new Error(difference);
    },
  };
  return [
    ...Object.entries({ [REFERENCE]: () => Promise.resolve(referenceBackend()), ...backends }).map(onBackend),
    {
      name: `${label}: traces the same graph again, and leaves what it is given as it is`,
      run: async () => {
        const changes: string[] = [];
        const [one, two] = [
          graphOf(await trace(watched(pluginOf(factory, options), changes), test)),
          graphOf(await traced()),
        ];
        if (changes.length > 0)
          throw new Error(`changed in place: ${changes.join('; ')}; return a copy with the change`);
        const [a, b] = [(await writeOnnx(one)).model, (await writeOnnx(two)).model];
        if (Buffer.compare(a, b) !== 0) throw new Error('two traces of the same hook made different graphs');
      },
    },
    // What is made of gradients is used, and not differentiated again.
    ...(gradient && hook !== 'transformGradients' && expect !== 'same' ? [differentiated] : []),
  ];
}
