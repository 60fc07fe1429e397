import { type Backend, type HostNodes, type Program, referenceBackend } from '@anneal/graph';
import { expect, it } from 'vitest';

import { trainTiny } from '../tiny/engine.ts';
import { points } from '../tiny/problem.ts';

/** The reference backend as one whose device lacks some operators. */
function lacking(hostNodes: readonly HostNodes[]): Backend {
  const backend = referenceBackend();
  return {
    ...backend,
    info: { ...backend.info, device: 'webgpu' },
    compile: async (...args): Promise<Program> => {
      const program = await backend.compile(...args);
      const { inputs, outputs } = program;
      return { inputs, outputs, hostNodes, run: (feeds) => program.run(feeds), dispose: () => program.dispose() };
    },
    createState: (...args) => backend.createState(...args),
    memory: () => backend.memory(),
    close: () => backend.close(),
  };
}

it('warns of operators that run on the CPU instead of the device', async () => {
  const warnings = async (hostNodes: readonly HostNodes[]): Promise<string[]> => {
    const { logs } = await trainTiny({ rows: points(6, 1), config: { epochs: 1 }, backend: lacking(hostNodes) });
    return logs.filter(({ level }) => level === 'warn').map(({ message }) => message);
  };
  expect(await warnings([])).toEqual([]);
  const [first, ...others] = await warnings([
    { op: 'Less', count: 2, modules: [] },
    { op: 'Gather', count: 3, modules: ['a', 'b', 'c'] },
  ]);
  expect(first).toMatch(/^On webgpu, step:\S+ computes on the CPU: Less \(2\), Gather \(3, in a, b …\)$/);
  // Once per program.
  expect(others.filter((message) => message === first)).toEqual([]);
});
