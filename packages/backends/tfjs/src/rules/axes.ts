import { attr, dtypeFromOnnx, sizeOf } from '@anneal/graph';
import type { Elements, Kernels, Tensor } from '../device/kernels.ts';
import { heldAs } from '../device/types.ts';
import { binary, cast, div, expand, fill, mul, sub, transpose, unary, where } from './calc.ts';
import { largest, total } from './reductions.ts';
import { arg, axisAttribute, axisOf, numbers, outputSlot, type Rule } from './rule.ts';
import { wrapped } from './wrap.ts';

type OnLast = (k: Kernels, x: Tensor) => Tensor;

/** Along one axis since set 13, along all axes from `axis` on before. */
function softmaxLike(f: OnLast): Rule {
  return (step) => (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const rank = x.shape.length;
    if (step.opset < 13) {
      const axis = axisAttribute(step, rank, 1);
      const flat = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))];
      return k.alias(f(k, k.alias(x, flat)), x.shape);
    }
    return onLastAxis(k, x, axisAttribute(step, rank, -1), f);
  };
}

/** Turns an axis to the end, and back. */
export function onLastAxis(k: Kernels, x: Tensor, axis: number, f: OnLast): Tensor {
  const rank = x.shape.length;
  if (axis >= rank - 1) return f(k, x);
  const perm = x.shape.map((_, i) => i).filter((i) => i !== axis);
  perm.push(axis);
  const back = x.shape.map((_, i) => perm.indexOf(i));
  return transpose(k, f(k, transpose(k, x, perm)), back);
}

const softmax: OnLast = (k, x) => {
  const size = x.shape.at(-1) ?? 1;
  const rows = k.alias(x, [sizeOf(x.shape) / size, size]);
  return k.alias(k.run('Softmax', { logits: rows }, { dim: 1 }), x.shape);
};

const logSoftmax: OnLast = (k, x) => {
  const axes = [x.shape.length - 1];
  const shifted = sub(k, x, largest(k, x, axes));
  return sub(k, shifted, unary(k, 'Log', total(k, unary(k, 'Exp', shifted), axes)));
};

/** A one at the first of the largest. */
const hardmax: OnLast = (k, x) => {
  const axis = x.shape.length - 1;
  const at = k.run('ArgMax', { x }, { axis });
  const steps = k.write(
    Int32Array.from({ length: x.shape[axis] as number }, (_, i) => i),
    [x.shape[axis] as number],
    'int32',
  );
  return cast(k, binary(k, 'Equal', k.alias(at, [...at.shape, 1]), steps), 'float32');
};

const cumSum: Rule = (step) => {
  const { dtype } = outputSlot(step);
  const attrs = { exclusive: attr.int(step, 'exclusive', 0) === 1, reverse: attr.int(step, 'reverse', 0) === 1 };
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const axis = axisOf(numbers(call, 1)?.[0] ?? 0, x.shape.length);
    const out = onLastAxis(k, x, axis, (_k, y) => k.run('Cumsum', { x: y }, { axis: y.shape.length - 1, ...attrs }));
    return wrapped(k, out, dtype);
  };
};

/** A matrix of booleans from its indices. */
export function mask(
  k: Kernels,
  rows: number,
  columns: number,
  keep: (row: number, column: number) => boolean,
): Tensor {
  const data: Elements = new Uint8Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = Number(keep(Math.floor(i / columns), i % columns));
  return k.write(data, [rows, columns], 'bool');
}

/** Keeps one triangle of the last two axes. */
const trilu: Rule = (step) => {
  const upper = attr.int(step, 'upper', 1) === 1;
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const diagonal = numbers(call, 1)?.[0] ?? 0;
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    const kept = mask(k, rows, columns, (row, column) => (upper ? column - row >= diagonal : column - row <= diagonal));
    return where(k, expand(k, kept, x.shape), x, 0);
  };
};

const eyeLike: Rule = (step) => {
  const diagonal = attr.int(step, 'k', 0);
  const { dtype } = outputSlot(step);
  const type = heldAs(dtypeFromOnnx(attr.int(step, 'dtype', 0)) ?? dtype) ?? 'float32';
  return (call) => {
    const { k } = call;
    const [rows, columns] = arg(call, 0).shape as [number, number];
    return cast(
      k,
      mask(k, rows, columns, (row, column) => column - row === diagonal),
      type,
    );
  };
};

const lpNormalization: Rule = (step) => {
  const p = attr.int(step, 'p', 2);
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const axes = [axisAttribute(step, x.shape.length, -1)];
    const norm = p === 1 ? total(k, unary(k, 'Abs', x), axes) : unary(k, 'Sqrt', total(k, mul(k, x, x), axes));
    return where(k, binary(k, 'Equal', norm, 0), fill(k, x.shape, 0), div(k, x, norm));
  };
};

export const axes: Record<
  'Softmax' | 'LogSoftmax' | 'Hardmax' | 'CumSum' | 'Trilu' | 'EyeLike' | 'LpNormalization',
  Rule
> = {
  Softmax: softmaxLike(softmax),
  LogSoftmax: softmaxLike(logSoftmax),
  Hardmax: softmaxLike(hardmax),
  CumSum: cumSum,
  Trilu: trilu,
  EyeLike: eyeLike,
  LpNormalization: lpNormalization,
};
