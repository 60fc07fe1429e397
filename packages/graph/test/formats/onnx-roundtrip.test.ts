import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { writeOnnx, type WriteOnnxOptions } from '../../src/formats/onnx/write.ts';
import { memorySource, memoryWriter } from '../../src/formats/source.ts';
import type { Graph } from '../../src/ir.ts';
import { tensor, zeros } from '../../src/tensor.ts';
import { RandomGraph } from './random-graph.ts';
import { expectSameGraph } from './same-graph.ts';

async function roundTrip(graph: Graph, options: WriteOnnxOptions = {}): Promise<Graph> {
  const { model, external } = await writeOnnx(graph, { valueInfo: true, ...options });
  const writer = memoryWriter();
  await external?.write(writer);
  return readOnnx(memorySource(model, 'm.onnx'), {
    external: (location) => Promise.resolve(memorySource(writer.bytes(), location)),
  });
}

describe('readOnnx(writeOnnx(graph))', () => {
  it('equals the graph, for random graphs', async () => {
    for (let seed = 0; seed < 150; seed++) {
      const graph = new RandomGraph(seededRandom(seed)).build(1 + (seed % 20));
      await expectSameGraph(await roundTrip(graph), graph);
    }
  });

  it('equals the graph with its parameters in a file of their own', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const graph = new RandomGraph(seededRandom(seed)).build(12);
      const external = { location: 'folder/m.onnx_data', threshold: seed % 2 === 0 ? 0 : 32 };
      await expectSameGraph(await roundTrip(graph, { external }), graph);
    }
  });

  it('gives the same bytes when it is written again', async () => {
    const rewritten = async (bytes: Uint8Array): Promise<Uint8Array> =>
      (await writeOnnx(await readOnnx(memorySource(bytes)), { valueInfo: true })).model;
    for (let seed = 0; seed < 20; seed++) {
      const graph = new RandomGraph(seededRandom(seed)).build(12);
      // The first time, symbols that inference made up get other numbers.
      const first = await rewritten((await writeOnnx(graph, { valueInfo: true })).model);
      expect(await rewritten(first)).toEqual(first);
    }
  });

  it('keeps the names of values where they are unique', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const [hidden] = g.node('Relu', [x], { names: ['hidden'] });
    g.output('y', g.ops.neg(hidden!));
    const graph = await roundTrip(g.build());
    expect(graph.nodes.map(({ outputs }) => outputs[0]?.name)).toEqual(['hidden', 'y']);
  });

  it('drops gradient stops, also in front of outputs and of each other', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const y = g.ops.relu(x);
    const stopped = g.ops.stopGradient(g.ops.stopGradient(y));
    g.output('stopped', stopped);
    g.output('input', g.ops.stopGradient(x));
    g.output('z', g.ops.neg(stopped));
    const plain = new GraphBuilder();
    const a = plain.input('x', 'float32', [2]);
    const b = plain.ops.relu(a);
    plain.output('stopped', b);
    plain.output('input', a);
    plain.output('z', plain.ops.neg(b));
    const opsets = { '': 21 };
    await expectSameGraph(await roundTrip(g.build({ opsets })), plain.build({ opsets }));
  });

  it('tells parameters and constants apart whatever their size and type', async () => {
    const g = new GraphBuilder();
    g.output('a', g.constant(zeros('float32', [100, 100])));
    g.output('b', g.constant(tensor('float32', [2], [1, 2])));
    g.output('c', g.parameter('scalar', tensor('float32', [], [1])));
    g.output('d', g.parameter('shape', tensor('int64', [2], [1, 2])));
    const graph = await roundTrip(g.build({ opsets: { '': 21 } }));
    expect([...graph.parameters.keys()]).toEqual(['scalar', 'shape']);
    expect(graph.constants.size).toBe(2);
  });
});
