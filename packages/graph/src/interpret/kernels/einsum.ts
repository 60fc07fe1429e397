import { parseEinsum } from '../../infer/einsum.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import { arg, type Kernel, type Result } from '../kernel.ts';
import { offsets, stridesOf } from '../strided.ts';

/** The definition: over all axes, the product of the inputs, summed into the output. */
export const einsum: Kernel = (call): Result => {
  const inputs = call.inputs.map((_, i) => arg(call, i));
  const parsed = parseEinsum(
    attr.string(call.node, 'equation', ''),
    inputs.map(({ shape }) => shape),
  );
  const axes = [...parsed.sizes.keys()];
  const sizeAt = (axis: string): number => parsed.sizes.get(axis) as number;
  const all = axes.map(sizeAt);
  // An axis that a term names twice is its diagonal: the strides add up.
  const along = (names: readonly string[], shape: readonly number[]): Int32Array => {
    const strides = stridesOf(shape);
    const total = axes.map((axis) =>
      names.reduce((sum, name, i) => sum + (name === axis && shape[i] !== 1 ? (strides[i] as number) : 0), 0),
    );
    return offsets(all, total);
  };
  const from = inputs.map(({ shape }, i) => along(parsed.inputs[i] as readonly string[], shape));
  const shape = parsed.output.map(sizeAt);
  const to = along(parsed.output, shape);
  const data = new Float64Array(sizeOf(shape));
  to.forEach((at, i) => {
    (data[at] as number) += inputs.reduce((product, x, k) => product * (x.data[from[k]?.[i] as number] as number), 1);
  });
  return { shape, data };
};
