import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import type { GraphError } from '../src/error.ts';
import { AttributeProto_AttributeType as Kind, GraphProtoSchema } from '../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx } from '../src/formats/onnx/read.ts';
import { writeOnnx } from '../src/formats/onnx/write.ts';
import { memorySource } from '../src/formats/source.ts';
import { bind, inline } from '../src/transform.ts';
import { type AttributeInit, type GraphInit, info, model, node, type NodeInit } from './formats/crafted.ts';

const INT64 = 7;
const int = (name: string, i: number): AttributeInit => ({ name, type: Kind.INT, i: BigInt(i) });
const body = (graph: GraphInit): AttributeInit[] => [
  { name: 'body', type: Kind.GRAPH, g: create(GraphProtoSchema, graph) },
];
/** A node of layer 3, with the name that PyTorch's exporter gives it. */
const inLayer = (op: string, input: string[], output: string[], rest: NodeInit = {}): NodeInit =>
  node(op, input, output, { name: `/model/layers.3/mlp/${op}_7`, ...rest });
const cast = (from: string): NodeInit => node('Cast', [from], ['float'], { attribute: [int('to', 1)], name: '' });

interface Refused {
  readonly op: string;
  /** From `h`, which is made of the weight, to `end`. */
  readonly nodes: readonly NodeInit[];
  readonly end: string;
  readonly message: RegExp;
  readonly fix: RegExp;
  readonly graph?: GraphInit;
}

const CASES: readonly Refused[] = [
  {
    op: 'ArgMax',
    nodes: [inLayer('ArgMax', ['h'], ['i'], { attribute: [int('axis', 1)] }), cast('i')],
    end: 'float',
    message: /does not depend on "w" .* the path ends at ArgMax .*, as indices are constant/,
    fix: /compute the loss from what comes before ArgMax/,
  },
  {
    op: 'NonZero',
    nodes: [inLayer('NonZero', ['h'], ['i']), cast('i')],
    end: 'float',
    message: /the path ends at NonZero .*, as indices are constant/,
    fix: /before NonZero/,
  },
  {
    op: 'Cast',
    nodes: [inLayer('Cast', ['h'], ['i'], { attribute: [int('to', INT64)] }), cast('i')],
    end: 'float',
    message: /the path ends at Cast .*, as its result is int64/,
    fix: /before Cast/,
  },
  {
    op: 'RandomNormalLike',
    nodes: [inLayer('RandomNormalLike', ['h'], ['r'])],
    graph: { valueInfo: [info('r', [2, 2])] },
    end: 'r',
    message: /the path ends at RandomNormalLike .*, as random draws depend on the shape only/,
    fix: /before RandomNormalLike/,
  },
  {
    op: 'MatMulInteger',
    nodes: [
      node('DynamicQuantizeLinear', ['w'], ['q', 's', 'z']),
      inLayer('MatMulInteger', ['codes', 'q'], ['i']),
      node('Cast', ['i'], ['j'], { attribute: [int('to', 1)] }),
      node('Mul', ['j', 's'], ['float']),
    ],
    graph: { input: [info('x', [2, 2]), info('codes', [2, 2], 2)] },
    end: 'float',
    message: /DynamicQuantizeLinear "the DynamicQuantizeLinear" lies between "w" and the loss .*no derivative/,
    fix: /DequantizeLinear and MatMul/,
  },
  {
    op: 'Loop',
    nodes: [
      inLayer('Loop', ['times', '', 'h'], ['out'], {
        attribute: body({
          input: [info('i', [], INT64), info('go', [], 9), { name: 's' }],
          node: [node('Neg', ['s'], ['next'])],
          output: [{ name: 'go' }, { name: 'next' }],
        }),
      }),
    ],
    graph: { initializer: [{ name: 'times', dataType: INT64, dims: [], int64Data: [3n] }] },
    end: 'out',
    message: /Loop .* lies between "h" and the loss .*how often it runs/,
    fix: /unrolled/,
  },
  {
    op: 'Scan',
    nodes: [
      inLayer('Scan', ['h', 'x'], ['out'], {
        attribute: [
          int('num_scan_inputs', 1),
          ...body({
            input: [{ name: 's' }, { name: 'row' }],
            node: [node('Add', ['s', 'row'], ['next'])],
            output: [{ name: 'next' }],
          }),
        ],
      }),
    ],
    end: 'out',
    message: /Scan .* lies between "h" and the loss .*how often it runs/,
    fix: /unrolled/,
  },
  {
    op: 'org.example.Warp',
    nodes: [inLayer('Warp', ['h'], ['out'], { domain: 'org.example', name: '/model/layers.3/mlp/Warp_7' })],
    graph: { valueInfo: [info('out', [2, 2])] },
    end: 'out',
    message: /org\.example\.Warp .* lies between "h" and the loss and has no gradient: no rule is known/,
    fix: /freeze what lies below it, or rewrite it to operators/,
  },
  {
    op: 'Compress',
    nodes: [inLayer('Compress', ['h', 'which'], ['out'])],
    graph: { input: [info('x', [2, 2]), info('which', [4], 9)], valueInfo: [info('out', [3])] },
    end: 'out',
    message: /Compress .* lies between "h" and the loss .*depends on their values/,
    fix: /multiply by the condition/,
  },
];

const bytesOf = ({ nodes, end, graph }: Pick<Refused, 'nodes' | 'end' | 'graph'>): Uint8Array =>
  model({
    input: [info('x', [2, 2])],
    ...graph,
    initializer: [
      { name: 'w', dataType: 1, dims: [2n, 2n], floatData: [1, 2, 3, 4] },
      ...((graph?.initializer ?? []) as []),
    ],
    node: [node('MatMul', ['x', 'w'], ['h']), ...nodes],
    output: [{ name: end }],
  });

async function refusal(bytes: Uint8Array): Promise<GraphError> {
  const graph = bind(await readOnnx(memorySource(bytes, 'm.onnx')), {});
  const g = new GraphBuilder();
  const [end] = Object.values(inline(g, graph));
  const loss = g.ops.sum(end!);
  try {
    gradients(g, loss, [g.findParameter('w')!.value]);
  } catch (error) {
    return error as GraphError;
  }
  throw new Error('expected a refusal');
}

describe('a path through an operator without a gradient', () => {
  it.each(CASES)('$op: names operator, node and module, and says what could be done', async (test) => {
    const error = await refusal(bytesOf(test));
    expect(error.code).toMatch(/^ANNEAL_E_(NOT_DIFFERENTIABLE|GRAPH)$/);
    expect(error.message).toMatch(test.message);
    expect(error.fix).toMatch(test.fix);
    if (test.op === 'MatMulInteger') return;
    const name = `/model/layers.3/mlp/${test.op.replace('org.example.', '')}_7`;
    expect(error.message).toContain(`${test.op} "${name}" in model.layers.3.mlp`);
    expect(error.at).toEqual({ op: test.op, node: name, module: 'model.layers.3.mlp' });
  });

  it('a node without a name is known by what it produces', async () => {
    const nodes = [node('ArgMax', ['h'], ['best'], { name: '', attribute: [int('axis', 1)] }), cast('best')];
    const error = await refusal(bytesOf({ nodes, end: 'float' }));
    expect(error.at).toEqual({ op: 'ArgMax', node: 'best', module: '' });
  });

  it('what no path leads to is not blamed on a node', async () => {
    const g = new GraphBuilder();
    const [x, y] = [g.input('x', 'float32', [2]), g.input('y', 'float32', [2])];
    const error = await Promise.resolve()
      .then(() => gradients(g, g.ops.sum(x), [y]))
      .catch((reason: unknown) => reason as GraphError);
    expect(error).toMatchObject({ code: 'ANNEAL_E_GRAPH', at: undefined });
  });
});

describe('the names of nodes', () => {
  it('are kept when a model is read, copied and written', async () => {
    const nodes = [
      node('Neg', ['h'], ['a'], { name: 'my node' }),
      node('Exp', ['a'], ['b'], { name: 'my node' }),
      node('Sqrt', ['b'], ['c'], { name: '' }),
      inLayer('Abs', ['c'], ['y']),
    ];
    const graph = bind(await readOnnx(memorySource(bytesOf({ nodes, end: 'y' }))), {});
    expect(graph.nodes.map(({ name }) => name)).toEqual([
      'the MatMul',
      'my node',
      'my node',
      undefined,
      '/model/layers.3/mlp/Abs_7',
    ]);
    const again = await readOnnx(memorySource((await writeOnnx(graph)).model));
    expect(again.nodes.map(({ name, scope }) => [name, scope])).toEqual([
      ['the MatMul', ''],
      ['my node', ''],
      ['my node_1', ''],
      ['Sqrt', ''],
      ['/model/layers.3/mlp/Abs_7', 'model.layers.3.mlp'],
    ]);
  });
});
