import { describe, expect, it } from 'vitest';
import { evaluate, GraphBuilder, tensor } from '@anneal/graph';
import { differenceOf, opCases } from '@anneal/testkit';
import { onnxBackend, type OnnxDevice } from '../src/index.ts';
import { fuse } from '../src/lower/fuse.ts';
import { lower } from '../src/lower/index.ts';
import { hostNodes } from '../src/placement.ts';
import { missingLibrary } from '../src/provider-library.ts';
import { runtimeError } from '../src/runtime-error.ts';

describe('a device', () => {
  it('that has no name is refused', async () => {
    await expect(onnxBackend({ device: 'gpu' as OnnxDevice })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: 'device must be one of auto, cpu, webgpu, cuda, coreml, dml, received gpu',
    });
  });

  // Each of them is for another system than this one, or needs what was not installed.
  const elsewhere = process.platform === 'win32' ? 'coreml' : 'dml';
  it.each([elsewhere, ...(missingLibrary('cuda') ? (['cuda'] as const) : [])] as const)(
    'that is not there is refused: %s',
    async (device) => {
      await expect(onnxBackend({ device })).rejects.toMatchObject({
        code: 'ANNEAL_E_BACKEND',
        message: expect.stringMatching(/ cannot be used here: .*(backend not found|is not installed|cannot open)/),
        fix: expect.any(String),
      });
    },
  );

  it.each([
    ['WebGPU device lost (1): removed', /open a new backend and resume/],
    ['CUDA failure 700: an illegal memory access was encountered ; GPU=0', /open a new backend and resume/],
    ['CUDA failure 2: out of memory ; GPU=0', /smaller batches/],
    ['Program Abs requires f16 but the device does not support it.', /no half precision/],
    ['BatchNormalization trainingMode is not supported yet.', /`device: 'cpu'`/],
  ])('that fails says what to do: %s', (message, fix) => {
    const context = { action: 'run', label: 'step', modules: new Map<string, string>() } as const;
    expect(runtimeError(new Error(message), context)).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      fix: expect.stringMatching(fix),
    });
  });
});

it('says what CUDA said, without where in the runtime it was', () => {
  const message =
    '[with ERRTYPE = cudaError; bool THRW = true] /a/cuda_call.cc:146 CudaCall(ERRTYPE, const char*) CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; file=/a/b.cc';
  expect(runtimeError(new Error(message), { action: 'run', label: 'step', modules: new Map() }).message).toBe(
    'cannot run "step": CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version',
  );
});

describe('lowered for WebGPU', () => {
  const cases = [...opCases()];
  const lowered = cases.flatMap((one): [string, (typeof cases)[number]][] => {
    const changes =
      one.name.startsWith('anneal.') || lower(one.graph, 'webgpu').nodes.length !== lower(one.graph).nodes.length;
    return changes ? [[one.name, one]] : [];
  });

  it.each(lowered.filter(([name]) => !name.startsWith('anneal.Int8Linear')))('%s computes the same', (_name, one) => {
    const { graph, feeds, tolerance } = one;
    const found = evaluate(lower(graph, 'webgpu'), feeds);
    for (const [output, expected] of Object.entries(evaluate(graph, feeds))) {
      const received = found[output];
      expect(received && differenceOf(received, expected, tolerance[output])).toBeUndefined();
    }
  });

  it('refuses layers in int8', () => {
    const [, one] = lowered.find(([name]) => name.startsWith('anneal.Int8Linear')) as (typeof lowered)[number];
    for (const device of ['webgpu', 'cuda', 'coreml', 'dml'] as const) {
      expect(() => lower(one.graph, device)).toThrow(
        expect.objectContaining({ code: 'ANNEAL_E_BACKEND', fix: expect.stringContaining('fp32') }),
      );
    }
  });

  it('gives inverse deviations, not means', () => {
    const g = new GraphBuilder();
    const [x, scale] = [g.input('x', 'float32', [2, 3]), g.parameter('scale', tensor('float32', [3], [1, 2, 3]))];
    const [y, inverse] = g.node('SimplifiedLayerNormalization', [x, scale], { outputs: 2 });
    g.output('y', y as typeof x);
    g.output('inverse', inverse as typeof x);
    const graph = g.build();
    const feeds = { x: tensor('float32', [2, 3], [1, 2, 3, -4, 5, 6]) };
    const found = evaluate(lower(graph, 'webgpu'), feeds);
    for (const [output, expected] of Object.entries(evaluate(graph, feeds))) {
      expect(
        differenceOf(found[output] as typeof expected, expected, { absolute: 1e-6, relative: 1e-6 }),
      ).toBeUndefined();
    }
    expect(lower(graph, 'webgpu').nodes[0]?.outputs).toHaveLength(1);
  });

  it('multiplies matrices with Gemm, and turns stacks of them over first', () => {
    const g = new GraphBuilder();
    const [a, b] = [g.input('a', 'float32', [3, 2]), g.input('b', 'float32', [4, 3])];
    g.output('y', g.ops.mul(g.ops.matmul(g.ops.transpose(a), g.ops.transpose(b)), 0.5));
    const [s, t] = [g.input('s', 'float32', [2, 3, 2]), g.input('t', 'float32', [2, 4, 2])];
    g.output('z', g.ops.matmul(s, t, { transposeB: true, alpha: 3 }));
    const graph = g.build();
    const prepared = fuse(lower(graph, 'webgpu'), 'webgpu');
    expect(prepared.nodes.map(({ op }) => op).toSorted()).toEqual(['Gemm', 'MatMul', 'Mul', 'Transpose']);
    const feeds = Object.fromEntries(
      [...graph.inputs].map(([name, { dims }]) => [
        name,
        tensor(
          'float32',
          dims,
          Array.from({ length: dims.reduce((p, q) => p * q, 1) }, (_, i) => (i % 5) - 2),
        ),
      ]),
    );
    expect(evaluate(prepared, feeds)).toEqual(evaluate(graph, feeds));
  });
});

it('asks once for all nodes of a kind', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [3]);
  const signs = ['a', 'b'].map((scope) => g.scope(scope, () => g.ops.sign(g.ops.add(x, 1))));
  g.output('y', g.ops.add(signs[0] as typeof x, signs[1] as typeof x));
  const asked: string[] = [];
  const found = await hostNodes(g.build(), (one) => {
    asked.push(one.nodes.map(({ op }) => op).join());
    return Promise.resolve(one.nodes[0]?.op !== 'Sign');
  });
  // One of the two sums adds a constant.
  expect(asked.toSorted()).toEqual(['Add', 'Add', 'Sign']);
  expect(found).toEqual([{ op: 'Sign', count: 2, modules: ['a', 'b'] }]);
});
