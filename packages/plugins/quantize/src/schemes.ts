import type { GraphBuilder, TensorData, Value } from '@anneal/graph';

import { quantizeColumns } from './int8.ts';

export type SchemeName = 'int8-dynamic';

/** How a product `x @ W` is replaced. */
export interface Scheme {
  /** Suffix of the model's file, as transformers.js names it. */
  readonly variant: string;
  /** The product at low precision; `shared` keeps what several products of one input can use together. */
  linear(g: GraphBuilder, x: Value, weight: TensorData, name: string, context: LinearContext): Value;
}

export interface LinearContext {
  /** Largest magnitude of a weight's integer: 127, or 63 with a reduced range. */
  readonly limit: number;
  /** Quantized inputs by their float value: query, key and value share one. */
  readonly shared: Map<Value, readonly [quantized: Value, scale: Value, zeroPoint: Value]>;
}

/** Quantization schemes by name. */
export const SCHEMES: Readonly<Record<SchemeName, Scheme>> = {
  /**
   * `DynamicQuantizeLinear` (uint8, per tensor, at run time) and `MatMulInteger` with symmetric int8 weights per output
   * column. Standard operators, which ONNX Runtime fuses into one integer kernel.
   */
  'int8-dynamic': {
    variant: 'quantized',
    linear(g, x, weight, name, { limit, shared }) {
      let input = shared.get(x);
      if (input === undefined) {
        input = g.node('DynamicQuantizeLinear', [x], { outputs: 3 }) as [Value, Value, Value];
        shared.set(x, input);
      }
      const [quantized, scale, zeroPoint] = input;
      const { values, scales } = quantizeColumns(weight, limit);
      const w = g.parameter(`${name}_quantized`, values);
      const sum = g.one('MatMulInteger', [quantized, w, zeroPoint]);
      const factor = g.ops.mul(scale, g.parameter(`${name}_scale`, scales));
      return g.ops.mul(g.ops.cast(sum, 'float32'), factor);
    },
  },
};
