import { DTYPES, type DType } from '../../src/dtype.ts';
import { GraphBuilder } from '../../src/builder.ts';
import type { Attributes, Dim, Graph, Value } from '../../src/ir.ts';
import { bytesOf, type TensorData, zeros } from '../../src/tensor.ts';

/** Names that are legal, and awkward for a file format. */
const NAMES = [
  'model.layers.0.weight',
  'onnx::MatMul_12',
  'model.layers.0.q_proj.MatMul.weight',
  '/model/Constant_output_0',
  '__proto__',
  'ünïcode 🙂',
  '12',
  'x',
  'value',
  'Relu_1',
  'If_0_then_branch__Inline_0__w',
];
const SCOPES = ['', 'model', 'model.layers.0.mlp', 'a.1b.c', 'odd/scope', '.dots.', 'layers.0.1.2'];

/** A random graph of elementwise operators, products, splits and constants, with every fact that a file must keep. */
export class RandomGraph {
  readonly g: GraphBuilder = new GraphBuilder();
  readonly #random: () => number;
  readonly #pool: Value[] = [];
  #names = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A name that is new among its kind. */
  #name(taken: (name: string) => boolean): string {
    const name = this.pick(NAMES);
    return taken(name) ? `${name}_${this.#names++}` : name;
  }

  data(dtype: DType, shape: readonly number[]): TensorData {
    const data = zeros(dtype, shape);
    const bytes = bytesOf(data);
    for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === 'bool' ? this.below(2) : this.below(256);
    return data;
  }

  #float(shape: readonly number[]): TensorData {
    const data = zeros('float32', shape);
    for (let i = 0; i < data.data.length; i++) data.data[i] = this.#random() * 2 - 1;
    return data;
  }

  build(nodes: number): Graph {
    const inputs = new Set<string>();
    for (let i = 1 + this.below(3); i > 0; i--) {
      const name = this.#name((n) => inputs.has(n));
      inputs.add(name);
      const rows: Dim = this.pick<Dim>([2, 'batch', 'rows']);
      this.#pool.push(this.g.input(name, 'float32', [rows, 4]));
    }
    for (let i = 0; i < nodes; i++) {
      const scope = this.pick(SCOPES);
      if (scope === '') this.#step();
      else this.g.scope(scope, () => this.#step());
    }
    this.#outputs(inputs);
    const graph = this.g.build({ name: this.pick(['graph', 'a b', 'é']), metadata: { a: '1', ü: '' } });
    const used = new Set(graph.nodes.map(({ domain }) => domain));
    return {
      ...graph,
      opsets: { '': 21, ...Object.fromEntries([...used].map((domain) => [domain, domain === '' ? 21 : 1])) },
    };
  }

  #step(): void {
    const { ops } = this.g;
    const x = this.pick(this.#pool);
    const steps: (() => void)[] = [
      () => this.#pool.push(ops.add(ops.relu(x), this.g.constant(this.#float([4]), this.pick(NAMES)))),
      () => this.#pool.push(ops.matmul(x, this.#parameter([4, 4]))),
      () => this.#pool.push(ops.mul(x, this.#parameter([4]))),
      () => this.#pool.push(ops.sub(x, this.#parameter([]))),
      () => this.#pool.push(ops.clip(x, this.#random() < 0.5 ? { min: -0.5 } : { max: 0.1 })),
      () => this.#pool.push(ops.matmul(x, this.#parameter([4, 4]), { transposeB: true, alpha: this.#random() })),
      () => this.#pool.push(ops.reshape(ops.reshape(x, [-1]), [-1, 4])),
      () => this.#split(x),
      () => this.#topK(x),
      () => this.#custom(x),
      () => this.#side(),
    ];
    this.pick(steps)();
  }

  #parameter(shape: readonly number[]): Value {
    const name = this.#name((n) => this.g.findParameter(n) !== undefined);
    const options = { trainable: this.#random() < 0.5, transposed: this.#random() < 0.5 };
    return this.g.parameter(name, this.#float(shape), options);
  }

  #split(x: Value): void {
    const [left, , right] = this.g.ops.split(x, [1, 2, 1], { axis: 1 }) as [Value, Value, Value];
    this.#pool.push(this.g.ops.concat([left, right, right, left], { axis: 1 }));
  }

  /** A node of which only the first or the second output is wanted. */
  #topK(x: Value): void {
    const wanted = this.pick([
      [true, false],
      [false, true],
      [true, true],
    ]);
    const [values, indices] = this.g.node('TopK', [x, this.g.ints([4])], {
      outputs: wanted,
      attributes: { axis: { int: -1 }, largest: { int: this.below(2) } },
    });
    this.#pool.push(values ?? this.g.ops.cast(indices as Value, 'float32'));
  }

  /** An operator of another domain, with every kind of attribute and optional inputs left out. */
  #custom(x: Value): void {
    const attributes: Attributes = {
      int: { int: this.pick([0, -1, 2 ** 40, 2 ** 53]) },
      end: { int: 2 ** 63 },
      float: { float: this.#random() },
      string: { string: this.pick(['', 'é', 'a\0b']) },
      ints: { ints: this.pick([[], [1, -2]]) },
      floats: { floats: this.pick([[], [0.1]]) },
      strings: { strings: this.pick([[], ['', 'b']]) },
      tensor: { tensor: this.data(this.pick(['int64', 'float16', 'uint4']), [3]) },
    };
    const inputs = [x, undefined, this.pick(this.#pool), this.pick([undefined, x])];
    const types = [{ dtype: x.dtype, shape: x.shape }];
    this.#pool.push(this.g.one('Custom', inputs, { domain: 'example.com', attributes, types }));
  }

  /** Parameters and constants of every element type, given out as they are. */
  #side(): void {
    const dtype = this.pick((Object.keys(DTYPES) as DType[]).filter((d) => d !== 'string'));
    const shape = this.pick([[], [1], [3], [2, 5], [0, 2], [40, 40]]);
    const data = this.data(dtype, shape);
    const name = this.#name((n) => this.g.findParameter(n) !== undefined);
    const value = this.#random() < 0.5 ? this.g.parameter(name, data) : this.g.constant(data, name);
    this.#loose.push(value);
  }

  readonly #loose: Value[] = [];

  #outputs(inputs: ReadonlySet<string>): void {
    const names = new Set<string>();
    const give = (value: Value): void => {
      const name = this.#name((n) => names.has(n) || inputs.has(n));
      names.add(name);
      this.g.output(name, value);
    };
    const last = this.#pool.at(-1) as Value;
    give(last);
    if (this.#random() < 0.5) give(last);
    for (const value of this.#pool.slice(-4)) give(value);
    for (const value of this.#loose) give(value);
    if (this.#random() < 0.5) give(this.#pool[0] as Value);
  }
}
