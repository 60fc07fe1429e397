import { GraphError } from '../error.ts';
import { attr, type Attributes } from '../ir.ts';

/** A node, or what inference sees of it. */
interface Attributed {
  readonly op: string;
  readonly attributes: Attributes;
}

/** How a window moves over the spatial axes of a convolution or a pooling. */
export interface Window {
  /** Size, by axis. */
  readonly kernel: readonly number[];
  /** Steps between windows, by axis. */
  readonly strides: readonly number[];
  /** Steps between elements of a window, by axis. */
  readonly dilations: readonly number[];
  /** Explicit padding, `[before…, after…]`; zeros when `autoPad` decides. */
  readonly pads: readonly number[];
  /** ONNX `auto_pad`. */
  readonly autoPad: string;
  /** Whether the number of windows is rounded up. */
  readonly ceil: boolean;
}

/** The window that the attributes describe. @throws GraphError `ANNEAL_E_OP` when they do not fit the kernel. */
export function windowOf(node: Attributed, kernel: readonly number[]): Window {
  const ints = (name: string, count: number, fallback: number): readonly number[] => {
    const values = attr.ints(node, name) ?? Array.from({ length: count }, () => fallback);
    if (values.length === count) return values;
    throw new GraphError('ANNEAL_E_OP', `${node.op}: \`${name}\` needs ${count} numbers, received [${values}]`);
  };
  const autoPad = attr.string(node, 'auto_pad', 'NOTSET');
  return {
    kernel,
    strides: ints('strides', kernel.length, 1),
    dilations: ints('dilations', kernel.length, 1),
    pads:
      autoPad === 'NOTSET' ? ints('pads', kernel.length * 2, 0) : Array.from({ length: kernel.length * 2 }, () => 0),
    autoPad,
    ceil: attr.int(node, 'ceil_mode', 0) === 1,
  };
}

/** Elements that the kernel spans on an axis. */
export function spanOf({ kernel, dilations }: Window, axis: number): number {
  return ((kernel[axis] as number) - 1) * (dilations[axis] as number) + 1;
}

/** Whether an axis has as many positions as elements, whatever its size is. */
export function keepsSize(window: Window, axis: number): boolean {
  if (window.strides[axis] !== 1) return false;
  const { pads, kernel, autoPad } = window;
  const padded = (pads[axis] as number) + (pads[axis + kernel.length] as number);
  return autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER' || padded === spanOf(window, axis) - 1;
}

/** Splits padding: SAME_UPPER puts the odd one at the end. */
function split(total: number, upper: boolean): readonly [number, number] {
  const small = Math.floor(total / 2);
  return upper ? [small, total - small] : [total - small, small];
}

/** Padding before and after, and the number of positions of the window, on a spatial axis of `size` elements. */
export function slide(window: Window, axis: number, size: number): { before: number; after: number; count: number } {
  const { strides, pads, autoPad, ceil } = window;
  const [stride, span] = [strides[axis] as number, spanOf(window, axis)];
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
    const count = Math.ceil(size / stride);
    const [before, after] = split(Math.max(0, (count - 1) * stride + span - size), autoPad === 'SAME_UPPER');
    return { before, after, count };
  }
  const [before, after] = [pads[axis] as number, pads[axis + window.kernel.length] as number];
  const steps = (size + before + after - span) / stride;
  let count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  // A last window that starts in the padding at the end does not count.
  if (ceil && (count - 1) * stride >= size + before) count--;
  return { before, after, count };
}

/** The same for a transposed convolution, whose input positions are those of the window on its output. */
export function slideTransposed(
  node: Attributed,
  window: Window,
  axis: number,
  size: number,
): { before: number; count: number } {
  const { strides, pads, autoPad, kernel } = window;
  const stride = strides[axis] as number;
  const extra = attr.ints(node, 'output_padding')?.[axis] ?? 0;
  const full = stride * (size - 1) + extra + spanOf(window, axis);
  const wanted = attr.ints(node, 'output_shape')?.slice(-kernel.length)[axis];
  const same = autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER';
  if (wanted === undefined && !same) {
    return {
      before: pads[axis] as number,
      count: full - (pads[axis] as number) - (pads[axis + kernel.length] as number),
    };
  }
  const count = wanted ?? size * stride;
  return { before: split(Math.max(0, full - count), autoPad === 'SAME_UPPER')[0], count };
}
