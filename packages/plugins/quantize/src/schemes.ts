import type { GraphBuilder, TensorData, Value } from '@anneal/graph';

import { toFloat16 } from './float16.ts';
import { quantizeBlocks } from './int4.ts';
import { quantizeColumns, quantizeRows } from './int8.ts';

/** `int8-dynamic`, `int4`, `fp16`; see the README for what each is good for. */
export type SchemeName = 'int8-dynamic' | 'int4' | 'fp16';

/** How weights are replaced. What a scheme leaves out stays at full precision. */
export interface Scheme {
  /** Suffix of the model's file, as transformers.js names it. */
  readonly variant: string;
  /** A product `x @ W`. */
  readonly linear?: ((g: GraphBuilder, x: Value, weight: WeightRef, context: SchemeContext) => Value) | undefined;
  /** Rows of a table. */
  readonly table?: ((g: GraphBuilder, indices: Value, table: WeightRef) => Value) | undefined;
  /** Any other use: the float32 weight, from how it is stored; `undefined` when it cannot be stored that way. */
  readonly stored?: ((g: GraphBuilder, weight: WeightRef) => Value | undefined) | undefined;
}

/** A weight and its name in the graph. */
export interface WeightRef {
  readonly name: string;
  readonly data: TensorData;
}

export interface SchemeContext {
  /** Largest magnitude of a weight's integer: 127, or 63 with a reduced range. */
  readonly limit: number;
  /** Quantized inputs by their float value: query, key and value share one. */
  readonly shared: Map<Value, readonly [quantized: Value, scale: Value, zeroPoint: Value]>;
}

/** Rows of a 4-bit block: what kernels and other tools support best. */
const BLOCK = 32;
/** `MatMulNBits` computes with inputs in int8. */
const INT8_ACTIVATIONS = 4;

/** A parameter of the new graph; nodes that share a weight share it. */
function parameter(g: GraphBuilder, name: string, make: () => TensorData): Value {
  return g.findParameter(name)?.value ?? g.parameter(name, make());
}

/** Looks up int8 rows and their scales. */
function int8Table(g: GraphBuilder, indices: Value, { name, data }: WeightRef): Value {
  const { values, scales } = quantizeRows(data);
  const rows = g.ops.take(
    parameter(g, `${name}_quantized`, () => values),
    indices,
  );
  const scale = g.ops.take(
    parameter(g, `${name}_scale`, () => scales),
    indices,
  );
  return g.ops.mul(g.ops.cast(rows, 'float32'), scale);
}

/** Quantization schemes by name. */
export const SCHEMES: Readonly<Record<SchemeName, Scheme>> = {
  /**
   * `DynamicQuantizeLinear` (uint8, per tensor, at run time) and `MatMulInteger` with symmetric int8 weights per output
   * column. Standard operators, which ONNX Runtime fuses into one integer kernel.
   */
  'int8-dynamic': {
    variant: 'quantized',
    linear(g, x, { name, data }, { limit, shared }) {
      let input = shared.get(x);
      if (input === undefined) {
        input = g.node('DynamicQuantizeLinear', [x], { outputs: 3 }) as [Value, Value, Value];
        shared.set(x, input);
      }
      const [quantized, scale, zeroPoint] = input;
      const { values, scales } = quantizeColumns(data, limit);
      const sum = g.one('MatMulInteger', [quantized, parameter(g, `${name}_quantized`, () => values), zeroPoint]);
      const factor = g.ops.mul(
        scale,
        parameter(g, `${name}_scale`, () => scales),
      );
      return g.ops.mul(g.ops.cast(sum, 'float32'), factor);
    },
    table: int8Table,
  },
  /** ONNX Runtime's `MatMulNBits`: symmetric 4-bit weights in blocks of 32 rows. Tables are int8. */
  int4: {
    variant: 'q4',
    linear(g, x, { name, data }) {
      const [rows, columns] = data.shape as [number, number];
      const { values, scales } = quantizeBlocks(data, BLOCK);
      const inputs = [x, parameter(g, `${name}_q4`, () => values), parameter(g, `${name}_scales`, () => scales)];
      return g.one('MatMulNBits', inputs, {
        domain: 'com.microsoft',
        attributes: {
          K: { int: rows },
          N: { int: columns },
          bits: { int: 4 },
          block_size: { int: BLOCK },
          accuracy_level: { int: INT8_ACTIVATIONS },
        },
      });
    },
    table: int8Table,
  },
  /** float16 in the file, float32 in memory and computation. */
  fp16: {
    variant: 'fp16',
    stored(g, { name, data }) {
      const half = toFloat16(data);
      return half && g.ops.cast(g.parameter(`${name}_fp16`, half), 'float32');
    },
  },
};
