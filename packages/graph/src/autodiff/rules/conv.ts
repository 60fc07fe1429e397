import { slide, slideTransposed, spanOf, type Window, windowOf } from '../../infer/window.ts';
import { attr, type Attributes, type Value } from '../../ir.ts';
import { product, range } from '../shapes.ts';
import { once, type VjpContext, type VjpRule } from '../types.ts';

/** A window with its padding settled for inputs of `sizes`. */
interface Fitted {
  readonly window: Window;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Elements at the end, padding included, that no position of the window reaches; negative where it reaches beyond. */
  readonly rest: readonly number[];
}

/** How the window of a convolution lies on `sizes` when it takes `counts` positions from `before` on. */
function fit(window: Window, sizes: readonly number[], before: readonly number[], counts: readonly number[]): Fitted {
  const reach = sizes.map(
    (_, axis) => ((counts[axis] as number) - 1) * (window.strides[axis] as number) + spanOf(window, axis),
  );
  const left = sizes.map((size, axis) => size + (before[axis] as number) - (reach[axis] as number));
  // What is not reached belongs to the padding first: then an inverse yields exactly `sizes`.
  return {
    window,
    before,
    after: left.map((rest) => Math.max(0, -rest)),
    rest: left.map((rest) => Math.max(0, rest)),
  };
}

function attributesOf(fitted: Fitted, group: number): Attributes {
  const { window, before, after } = fitted;
  return {
    kernel_shape: { ints: window.kernel },
    strides: { ints: window.strides },
    dilations: { ints: window.dilations },
    pads: { ints: [...before, ...after] },
    group: { int: group },
  };
}

/** Spreads `dy` back over the input of a convolution: the transposed convolution with the same kernel. */
export function spread(c: VjpContext, dy: Value, kernel: Value, fitted: Fitted, group: number = 1): Value {
  const { rest } = fitted;
  const attributes = attributesOf(fitted, group);
  const { strides, dilations } = fitted.window;
  // `output_padding` may be as large as a stride or dilation allows; a larger rest is cut-off input, zeros.
  const extra = rest.map((size, axis) =>
    Math.min(size, Math.max(strides[axis] as number, dilations[axis] as number) - 1),
  );
  const out = c.g.one('ConvTranspose', [dy, kernel], {
    attributes: { ...attributes, output_padding: { ints: extra } },
  });
  const missing = rest.map((size, axis) => size - (extra[axis] as number));
  if (missing.every((size) => size === 0)) return out;
  return c.ops.pad(out, [[0, 0], [0, 0], ...missing.map((size): [number, number] => [0, size])]);
}

/**
 * Gradient of a convolution's kernel: itself a convolution, of the input with `dy` as the kernel, where channels and
 * batch change places and so do strides and dilations. Groups stay groups.
 */
function kernelGradient(c: VjpContext, x: Value, dy: Value, fitted: Fitted, group: number): Value {
  const { ops } = c;
  const { window, before, after } = fitted;
  const [batch, channels, ...sizes] = x.dims as [number, number, ...number[]];
  const [, outputs, ...counts] = dy.dims as [number, number, ...number[]];
  const depth = channels / group;
  const spatial = range(2, x.rank);
  // [N, g·c, …] to [c, g·N, …], and [N, M, …] to [M, N, …].
  const grouped = ops.reshape(x, [batch, group, depth, ...sizes]);
  const input = ops.reshape(ops.transpose(grouped, [2, 1, 0, ...range(3, x.rank + 1)]), [
    depth,
    group * batch,
    ...sizes,
  ]);
  const kernel = ops.transpose(dy, [1, 0, ...spatial]);
  const found = c.g.one('Conv', [input, kernel], {
    attributes: {
      kernel_shape: { ints: counts },
      strides: { ints: window.dilations },
      dilations: { ints: window.strides },
      pads: { ints: [...before, ...after] },
      group: { int: group },
    },
  });
  // Where the window did not reach the end of the input, positions are left over.
  const cropped = spatial.filter((axis) => found.dims[axis] !== window.kernel[axis - 2]);
  const exact =
    cropped.length === 0
      ? found
      : ops.slice(
          found,
          cropped.map((axis) => ({ axis, start: 0, end: window.kernel[axis - 2] as number })),
        );
  if (depth === 1) return ops.reshape(exact, [outputs, 1, ...window.kernel]);
  return ops.transpose(exact, [1, 0, ...spatial]);
}

const overChannels = (c: VjpContext): Value =>
  c.ops.sum(c.dy, { axes: range(0, c.dy.rank).filter((axis) => axis !== 1) });

export const conv: VjpRule = (c) => {
  const [x, w] = [c.x(0), c.x(1)];
  const group = attr.int(c, 'group', 1);
  const fitted = once(() => {
    const window = windowOf(c, w.dims.slice(2));
    const sizes = x.dims.slice(2);
    const before = sizes.map((size, axis) => slide(window, axis, size).before);
    return fit(window, sizes, before, c.dy.dims.slice(2));
  });
  return [
    () => spread(c, c.dy, w, fitted(), group),
    () => kernelGradient(c, x, c.dy, fitted(), group),
    () => overChannels(c),
  ];
};

/** The roles of input and output are those of Conv, exchanged. */
export const convTranspose: VjpRule = (c) => {
  const [x, w] = [c.x(0), c.x(1)];
  const group = attr.int(c, 'group', 1);
  const fitted = once(() => {
    const window = windowOf(c, w.dims.slice(2));
    const before = x.dims.slice(2).map((size, axis) => slideTransposed(c, window, axis, size).before);
    return fit(window, c.dy.dims.slice(2), before, x.dims.slice(2));
  });
  return [
    () => {
      const out = c.g.one('Conv', [c.dy, w], { attributes: attributesOf(fitted(), group) });
      // A rest as long as a stride holds further positions, which no input had.
      const extra = range(2, x.rank).filter((axis) => out.dims[axis] !== x.dims[axis]);
      if (extra.length === 0) return out;
      return c.ops.slice(
        out,
        extra.map((axis) => ({ axis, start: 0, end: x.dims[axis] as number })),
      );
    },
    () => kernelGradient(c, c.dy, x, fitted(), group),
    () => overChannels(c),
  ];
};

/** The window of a pooling node, fitted to its input. */
export function pooling(c: VjpContext): Fitted & { readonly padded: readonly number[] } {
  const sizes = c.x(0).dims.slice(2);
  const window = windowOf(c, attr.ints(c, 'kernel_shape') ?? []);
  const slides = sizes.map((size, axis) => slide(window, axis, size));
  const fitted = fit(
    window,
    sizes,
    slides.map(({ before }) => before),
    c.dy.dims.slice(2),
  );
  return { ...fitted, padded: slides.map(({ before, after }, axis) => (sizes[axis] as number) + before + after) };
}

/** Adds `dy` to every input element under its window, channel by channel. */
export function spreadPlanes(c: VjpContext, dy: Value, fitted: Fitted): Value {
  const { ops } = c;
  const planes = ops.reshape(dy, [product(dy.dims.slice(0, 2)), 1, ...dy.dims.slice(2)]);
  const ones = ops.ones([1, 1, ...fitted.window.kernel], dy.dtype);
  return ops.reshape(spread(c, planes, ones, fitted), c.x(0).dims);
}
