import { type Backend, GraphBuilder, sizeOf, tensor, type TensorData, zeros } from '@anneal/graph';

/** The product `op(a)[m, k] @ op(b)[k, n]`, all float32. */
export interface GemmShape {
  /** Rows of the left factor. */
  readonly m: number;
  /** Columns of the left factor, rows of the right one. */
  readonly k: number;
  /** Columns of the right factor. */
  readonly n: number;
  /** The first operand is stored as `[k, m]`, as in the gradient of a weight. @defaultValue `false` */
  readonly transposeA?: boolean | undefined;
  /** The second operand is stored as `[n, k]`, as in the gradient of an input. @defaultValue `false` */
  readonly transposeB?: boolean | undefined;
}

/** How a product is timed. */
export interface GemmOptions {
  /** At least this many runs. @defaultValue `5` */
  readonly runs?: number | undefined;
  /** Goes on until this much time has passed. @defaultValue `200` */
  readonly milliseconds?: number | undefined;
}

export interface GemmRate extends GemmShape {
  /** 10⁹ operations per second (`2·m·k·n` per product) of the median run. */
  readonly gflops: number;
  /** The same of the fastest run: what the machine reaches when nothing else runs on it. */
  readonly bestGflops: number;
  /** Of one product, milliseconds. */
  readonly medianMs: number;
  /** Products that were timed. */
  readonly runs: number;
}

/**
 * How fast a backend multiplies matrices: the yardstick for training, which is mostly that. Operands and result stay
 * in the backend's state, so that nothing but the product is measured. One element is read: a device is not waited for
 * where nothing is.
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when the backend cannot run it.
 */
export async function measureGemm(backend: Backend, shape: GemmShape, options: GemmOptions = {}): Promise<GemmRate> {
  const { m, k, n, transposeA = false, transposeB = false } = shape;
  const { runs = 5, milliseconds = 200 } = options;
  const a = filled(transposeA ? [k, m] : [m, k]);
  const b = filled(transposeB ? [n, k] : [k, n]);
  const g = new GraphBuilder();
  const [x, y] = [g.input('a', 'float32', a.shape), g.input('b', 'float32', b.shape)];
  const product = g.ops.matmul(x, y, { transposeA, transposeB });
  g.output('product', product);
  g.output(
    'first',
    g.ops.slice(
      product,
      [0, 1].map((axis) => ({ axis, start: 0, end: 1 })),
    ),
  );

  const state = await backend.createState({ a, b, c: zeros('float32', [m, n]) });
  const program = await backend.compile(g.build({ name: 'gemm' }), {
    state,
    updates: { product: 'c' },
    purpose: 'training',
  });
  const times: number[] = [];
  try {
    // The first run touches memory for the first time.
    await program.run({});
    const end = performance.now() + milliseconds;
    while (times.length < runs || performance.now() < end) {
      const start = performance.now();
      await program.run({});
      times.push(performance.now() - start);
    }
  } finally {
    await program.dispose();
    await state.dispose();
  }
  times.sort((p, q) => p - q);
  const medianMs = times[times.length >> 1] as number;
  const rate = (ms: number): number => (2 * m * k * n) / ms / 1e6;
  return {
    ...shape,
    gflops: rate(medianMs),
    bestGflops: rate(times[0] as number),
    medianMs,
    runs: times.length,
  };
}

/** Numbers of ordinary size: zeros and denormals would take other paths in the hardware. */
function filled(shape: readonly number[]): TensorData {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = ((i % 97) - 48) / 97;
  return tensor('float32', shape, data);
}
