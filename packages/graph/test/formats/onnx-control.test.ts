import { create } from '@bufbuild/protobuf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { GraphBuilder } from '../../src/builder.ts';
import { AttributeProto_AttributeType as Kind, GraphProtoSchema } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import { memorySource } from '../../src/formats/source.ts';
import type { Graph } from '../../src/ir.ts';
import { simplify } from '../../src/rewrites/simplify.ts';
import { tensor } from '../../src/tensor.ts';
import { bind, inline } from '../../src/transform.ts';
import { runBytes } from '../canonicalize/runtime.ts';
import { type AttributeInit, type GraphInit, info, model, node, type TensorInit } from './crafted.ts';
import { expectFormatError } from './harness.ts';

const INT64 = 7;
const BOOL = 9;
const weights: TensorInit = { name: 'w', dataType: 1, dims: [2n], floatData: [3, -4] };
const int = (name: string, value: bigint): TensorInit => ({ name, dataType: INT64, dims: [], int64Data: [value] });
const graphs = (bodies: Record<string, GraphInit>): AttributeInit[] =>
  Object.entries(bodies).map(([name, body]) => ({ name, type: Kind.GRAPH, g: create(GraphProtoSchema, body) }));
const number = (name: string, value: number): AttributeInit => ({ name, type: Kind.INT, i: BigInt(value) });

/** `y` is x · w, or x - w, by a condition that is an input. Both branches see the names around them. */
const chosen = model({
  input: [info('x', ['batch', 2]), info('flag', [], BOOL)],
  initializer: [weights],
  node: [
    node('If', ['flag'], ['y'], {
      attribute: graphs({
        then_branch: { name: 't', node: [node('Mul', ['x', 'w'], ['a'])], output: [info('a', ['batch', 2])] },
        else_branch: { name: 'e', node: [node('Sub', ['x', 'w'], ['b'])], output: [info('b', ['batch', 2])] },
      }),
    }),
  ],
  output: [info('y', ['batch', 2])],
});

/** `y` is x · w three times over, `all` the states on the way; nothing says the type of the state. */
const repeated = model({
  input: [info('x', ['batch', 2]), info('flag', [], BOOL)],
  initializer: [weights, int('times', 3n)],
  node: [
    node('Loop', ['times', '', 'x'], ['y', 'all'], {
      attribute: graphs({
        body: {
          name: 'b',
          input: [info('i', [], INT64), info('go', [], BOOL), { name: 's' }],
          node: [node('Mul', ['s', 'w'], ['next']), node('Identity', ['next'], ['copy'])],
          output: [{ name: 'go' }, { name: 'next' }, { name: 'copy' }],
        },
      }),
    }),
  ],
  output: [{ name: 'y' }, { name: 'all' }],
});

/** `y` is the sum of w and the rows of x, `all` the partial sums. */
const summed = model({
  input: [info('x', ['batch', 2]), info('flag', [], BOOL)],
  initializer: [weights],
  node: [
    node('Scan', ['w', 'x'], ['y', 'all'], {
      attribute: [
        number('num_scan_inputs', 1),
        ...graphs({
          body: {
            name: 'b',
            input: [{ name: 's' }, { name: 'row' }],
            node: [node('Add', ['s', 'row'], ['next']), node('Identity', ['next'], ['copy'])],
            output: [{ name: 'next' }, { name: 'copy' }],
          },
        }),
      ],
    }),
  ],
  output: [{ name: 'y' }, { name: 'all' }],
});

/** Of before operator set 9: over two sequences at once, the second list from its end. */
const batched = model(
  {
    input: [info('x', ['batch', 3, 2]), info('start', ['batch', 2])],
    initializer: [weights],
    node: [
      node('Scan', ['', 'start', 'x', 'x'], ['y', 'all'], {
        name: '',
        attribute: [
          number('num_scan_inputs', 2),
          { name: 'directions', type: Kind.INTS, ints: [0n, 1n] },
          ...graphs({
            body: {
              name: 'b',
              input: [info('s', [2]), info('row', [2]), info('back', [2])],
              node: [
                node('Mul', ['row', 'w'], ['scaled']),
                node('Add', ['s', 'scaled'], ['next']),
                node('Sub', ['next', 'back'], ['difference']),
              ],
              output: [info('next', [2]), info('difference', [2])],
            },
          }),
        ],
      }),
    ],
    output: [info('y', ['batch', 2]), info('all', ['batch', 3, 2])],
  },
  { opsetImport: [{ domain: '', version: 8n }], irVersion: 7n },
);

async function run(bytes: Uint8Array, flag: number): Promise<Record<string, unknown>> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const feeds = {
    x: new Tensor('float32', [1, 2, 3, 4, 5, 6], [3, 2]),
    flag: new Tensor('bool', Uint8Array.of(flag), []),
  };
  const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)));
  const results = await session.run(given);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data, dims }]) => [name, [dims, [...(data as Float32Array)]]]),
  );
}

const read = (bytes: Uint8Array): Promise<Graph> => readOnnx(memorySource(bytes, 'm.onnx'));
/** Every way of copying a graph: the inner graphs have to follow. */
const COPIES: Record<string, (graph: Graph) => Graph> = {
  'as it is': (graph) => graph,
  'bound to sizes': (graph) => bind(graph, { batch: 3 }),
  simplified: (graph) => simplify(bind(graph, { batch: 3 })),
};

describe.each(Object.entries({ If: chosen, Loop: repeated, Scan: summed }))('%s', (op, bytes) => {
  it.each(Object.entries(COPIES))('%s computes what the file does', async (_, copy) => {
    const graph = copy(await read(bytes));
    expect(graph.nodes.map((item) => item.op)).toContain(op);
    expect([...graph.parameters.keys()]).toEqual(['w']);
    const written = await writeOnnx(graph);
    for (const flag of [0, 1]) expect(await run(written.model, flag)).toEqual(await run(bytes, flag));
    await read(written.model);
  });

  it('has types', async () => {
    const graph = bind(await read(bytes), { batch: 3 });
    const { y, all } = Object.fromEntries(graph.outputs);
    expect([y?.dtype, y?.shape.at(-1)]).toEqual(['float32', 2]);
    if (all) expect([all.dtype, all.rank, all.shape.at(-1)]).toEqual(['float32', op === 'Loop' ? 3 : 2, 2]);
  });

  it('has no gradient, also for what its graphs use from outside', async () => {
    const graph = bind(await read(bytes), { batch: 3 });
    const g = new GraphBuilder();
    const y = inline(g, graph)['y']!;
    const loss = g.one('ReduceSum', [y], { attributes: { keepdims: { int: 0 } } });
    expect(() => gradients(g, loss, [g.findParameter('w')!.value])).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_NOT_DIFFERENTIABLE', message: expect.stringContaining(op) as string }),
    );
  });
});

describe('Scan over a batch', () => {
  const values = Array.from({ length: 12 }, (_, i) => (i * 7) % 5);
  const feeds = { x: tensor('float32', [2, 3, 2], values), start: tensor('float32', [2, 2], [1, 2, 3, 4]) };

  it.each([
    ['as it is', {}],
    ['bound to sizes', { batch: 2 }],
  ])('%s computes what the file does', async (_, dims) => {
    const written = await writeOnnx(simplify(bind(await read(batched), dims)));
    expect(await runBytes(written.model, feeds)).toEqual(await runBytes(batched, feeds));
  });

  it('with lengths of sequences is refused', async () => {
    const bytes = model(
      {
        input: [info('x', [2, 3, 2]), info('lengths', [2], INT64)],
        node: [node('Scan', ['lengths', 'x'], ['y'], { attribute: graphs({ body: {} }) })],
        output: [{ name: 'y' }],
      },
      { opsetImport: [{ domain: '', version: 8n }] },
    );
    await expectFormatError(() => read(bytes), /node "the Scan": Scan with a length for each sequence/);
  });
});
