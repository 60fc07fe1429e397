import { slide, slideTransposed, windowOf } from '../../infer/window.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import { arg, type Kernel, type Result } from '../kernel.ts';
import { stridesOf } from '../strided.ts';

/** Index of element `i` of a row-major `shape`, axis by axis. */
export function indexOf(i: number, shape: readonly number[]): number[] {
  return stridesOf(shape).map((stride, axis) => Math.floor(i / stride) % (shape[axis] as number));
}

/** Offset of the element where the kernel at `position` meets tap `tap`, or -1 in the padding. */
function meet(
  position: readonly number[],
  tap: readonly number[],
  shape: readonly number[],
  at: { strides: readonly number[]; dilations: readonly number[]; before: readonly number[] },
): number {
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const dim = shape[axis] as number;
    const moved = (position[axis] as number) * (at.strides[axis] as number) - (at.before[axis] as number);
    const index = moved + (tap[axis] as number) * (at.dilations[axis] as number);
    if (index < 0 || index >= dim) return -1;
    offset = offset * dim + index;
  }
  return offset;
}

/** Every meeting of a position, a tap and an element that is not padding. */
export function meetings(
  positions: readonly number[],
  kernel: readonly number[],
  shape: readonly number[],
  at: { strides: readonly number[]; dilations: readonly number[]; before: readonly number[] },
): { position: number; tap: number; element: number }[] {
  const taps = Array.from({ length: sizeOf(kernel) }, (_, i) => indexOf(i, kernel));
  const out: { position: number; tap: number; element: number }[] = [];
  for (let position = 0; position < sizeOf(positions); position++) {
    const index = indexOf(position, positions);
    taps.forEach((tap, t) => {
      const element = meet(index, tap, shape, at);
      if (element >= 0) out.push({ position, tap: t, element });
    });
  }
  return out;
}

const conv: Kernel = (call): Result => {
  const [x, w, bias] = [arg(call, 0), arg(call, 1), call.inputs[2]];
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const [outputs, depth, ...kernel] = w.shape as [number, number, ...number[]];
  const window = windowOf(call.node, kernel);
  const slides = spatial.map((size, axis) => slide(window, axis, size));
  const positions = slides.map(({ count }) => count);
  const met = meetings(positions, kernel, spatial, { ...window, before: slides.map(({ before }) => before) });
  const [area, places, taps] = [sizeOf(spatial), sizeOf(positions), sizeOf(kernel)];
  const perGroup = outputs / attr.int(call.node, 'group', 1);
  const data = new Float64Array(batch * outputs * places);
  for (let b = 0; b < batch; b++) {
    for (let o = 0; o < outputs; o++) {
      const to = (b * outputs + o) * places;
      data.fill(bias?.data[o] ?? 0, to, to + places);
      for (let c = 0; c < depth; c++) {
        const from = (b * channels + Math.floor(o / perGroup) * depth + c) * area;
        const weights = (o * depth + c) * taps;
        for (const { position, tap, element } of met) {
          (data[to + position] as number) += (x.data[from + element] as number) * (w.data[weights + tap] as number);
        }
      }
    }
  }
  return { shape: [batch, outputs, ...positions], data };
};

/** The gradient of a convolution by its input: every element of the input adds its kernel to the output. */
const convTranspose: Kernel = (call): Result => {
  const [x, w, bias] = [arg(call, 0), arg(call, 1), call.inputs[2]];
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const [, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  const groups = attr.int(call.node, 'group', 1);
  const window = windowOf(call.node, kernel);
  const slides = spatial.map((size, axis) => slideTransposed(call.node, window, axis, size));
  const shape = slides.map(({ count }) => count);
  const met = meetings(spatial, kernel, shape, { ...window, before: slides.map(({ before }) => before) });
  const [area, places, taps, outputs] = [sizeOf(shape), sizeOf(spatial), sizeOf(kernel), perGroup * groups];
  const data = new Float64Array(batch * outputs * area);
  for (let b = 0; b < batch; b++) {
    for (let o = 0; o < outputs; o++)
      data.fill(bias?.data[o] ?? 0, (b * outputs + o) * area, (b * outputs + o + 1) * area);
    for (let c = 0; c < channels; c++) {
      const group = Math.floor(c / (channels / groups));
      for (let o = 0; o < perGroup; o++) {
        const [from, to] = [(b * channels + c) * places, (b * outputs + group * perGroup + o) * area];
        const weights = (c * perGroup + o) * taps;
        for (const { position, tap, element } of met) {
          (data[to + element] as number) += (x.data[from + position] as number) * (w.data[weights + tap] as number);
        }
      }
    }
  }
  return { shape: [batch, outputs, ...shape], data };
};

export const convolutions: Record<'Conv' | 'ConvTranspose', Kernel> = { Conv: conv, ConvTranspose: convTranspose };
