import { attr, parseEinsum, sizeOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { expand, transpose } from './calc.ts';
import { gatherAxis } from './indexing.ts';
import { product } from './linear.ts';
import { total } from './reductions.ts';
import { arg, type Rule } from './rule.ts';

/** A tensor whose axes have names. */
interface Named {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/** An axis that is named twice is its diagonal: every `n + 1`-th element. */
function diagonals(k: Kernels, { x, axes }: Named): Named {
  const again = axes.findIndex((axis, i) => axes.indexOf(axis) < i);
  if (again < 0) return { x, axes };
  const first = axes.indexOf(axes[again] as string);
  const size = x.shape[first] as number;
  const others = axes.map((_, i) => i).filter((i) => i !== first && i !== again);
  const turned = transpose(k, x, [...others, first, again]);
  const rest = others.map((i) => x.shape[i] as number);
  const flat = k.alias(turned, [sizeOf(rest), size * size]);
  const at = k.write(
    Int32Array.from({ length: size }, (_, i) => i * (size + 1)),
    [size],
    'int32',
  );
  const picked = k.alias(gatherAxis(k, flat, at, 1), [...rest, size]);
  return diagonals(k, { x: picked, axes: [...others.map((i) => axes[i] as string), axes[first] as string] });
}

/** Sums over axes that nothing else needs. */
function summed(k: Kernels, { x, axes }: Named, needed: (axis: string) => boolean): Named {
  const gone = axes.flatMap((axis, i) => (needed(axis) ? [] : [i]));
  if (gone.length === 0) return { x, axes };
  const kept = axes.filter((axis) => needed(axis));
  const shape = x.shape.filter((_, i) => !gone.includes(i));
  return { x: k.alias(total(k, x, gone), shape), axes: kept };
}

/** The axes in a given order, those that it does not have with size 1. */
function arranged(k: Kernels, { x, axes }: Named, order: readonly string[]): Tensor {
  const own = order.filter((axis) => axes.includes(axis));
  const turned = transpose(
    k,
    x,
    own.map((axis) => axes.indexOf(axis)),
  );
  return k.alias(
    turned,
    order.map((axis) => (axes.includes(axis) ? (x.shape[axes.indexOf(axis)] as number) : 1)),
  );
}

/** The product of two: one product of matrices over the axes that both have. */
function contracted(
  k: Kernels,
  a: Named,
  b: Named,
  needed: (axis: string) => boolean,
  sizes: ReadonlyMap<string, number>,
): Named {
  const shared = a.axes.filter((axis) => b.axes.includes(axis));
  const batch = shared.filter(needed);
  const inner = shared.filter((axis) => !needed(axis));
  const left = a.axes.filter((axis) => !shared.includes(axis));
  const right = b.axes.filter((axis) => !shared.includes(axis));
  const size = (axes: readonly string[]): number => sizeOf(axes.map((axis) => sizes.get(axis) as number));
  const full = (named: Named, order: readonly string[]): Tensor =>
    expand(
      k,
      arranged(k, named, order),
      order.map((axis) => sizes.get(axis) as number),
    );
  const x = k.alias(full(a, [...batch, ...left, ...inner]), [size(batch), size(left), size(inner)]);
  const y = k.alias(full(b, [...batch, ...inner, ...right]), [size(batch), size(inner), size(right)]);
  const axes = [...batch, ...left, ...right];
  return {
    x: k.alias(
      product(k, x, y),
      axes.map((axis) => sizes.get(axis) as number),
    ),
    axes,
  };
}

export const einsum: Rule = (step) => {
  const equation = attr.string(step, 'equation', '');
  return (call) => {
    const { k, inputs } = call;
    const tensors = inputs.map((_, i) => arg(call, i));
    const parsed = parseEinsum(
      equation,
      tensors.map(({ shape }) => shape),
    );
    const sizes = parsed.sizes as ReadonlyMap<string, number>;
    const named = tensors.map((x, i) => diagonals(k, { x, axes: parsed.inputs[i] ?? [] }));
    const neededAfter = (i: number) => (axis: string) =>
      parsed.output.includes(axis) || named.slice(i + 1).some(({ axes }) => axes.includes(axis));
    let result = summed(k, named[0] as Named, neededAfter(0));
    for (let i = 1; i < named.length; i++) {
      const needed = neededAfter(i);
      const joined = result;
      const other = summed(k, named[i] as Named, (axis) => needed(axis) || joined.axes.includes(axis));
      result = contracted(
        k,
        summed(k, result, (axis) => needed(axis) || other.axes.includes(axis)),
        other,
        needed,
        sizes,
      );
    }
    return arranged(k, result, parsed.output);
  };
};
