import { slide, spanOf, windowOf } from '../../infer/window.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import { arg, type Call, type Kernel, type Result } from '../kernel.ts';
import { indexOf, meetings } from './conv.ts';

/** For each position of the pooling window: the elements under it, and the taps that count for an average. */
interface Place {
  readonly elements: number[];
  /** Taps inside the input and its padding: what lies beyond, with `ceil_mode`, never counts. */
  readonly padded: number;
}

function placesOf({ node }: Call, spatial: readonly number[]): { positions: readonly number[]; places: Place[] } {
  const kernel = attr.ints(node, 'kernel_shape') ?? [];
  const window = windowOf(node, kernel);
  const slides = spatial.map((size, axis) => slide(window, axis, size));
  const positions = slides.map(({ count }) => count);
  const places = Array.from({ length: sizeOf(positions) }, (_, i): Place => {
    const index = indexOf(i, positions);
    const padded = slides.map(({ before, after }, axis) => {
      const start = (index[axis] as number) * (window.strides[axis] as number) - before;
      const room = (spatial[axis] as number) + after - start;
      return Math.ceil(Math.min(spanOf(window, axis), room) / (window.dilations[axis] as number));
    });
    return { elements: [], padded: sizeOf(padded) };
  });
  const before = slides.map((s) => s.before);
  for (const { position, element } of meetings(positions, kernel, spatial, { ...window, before })) {
    places[position]?.elements.push(element);
  }
  return { positions, places };
}

/** Applies a function to the elements under the window, plane by plane. */
function pooled(call: Call, f: (values: number[], place: Place, start: number) => number): Result {
  const x = arg(call, 0);
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  const { positions, places } = placesOf(call, spatial);
  const area = sizeOf(spatial);
  const data = Array.from({ length: batch * channels }, (_, plane) =>
    places.map((place) =>
      f(
        place.elements.map((element) => x.data[plane * area + element] as number),
        place,
        plane * area,
      ),
    ),
  );
  return { shape: [batch, channels, ...positions], data: Float64Array.from(data.flat()) };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const maxOf = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);

/** Positions of the maxima count through the whole input, along columns first with `storage_order`. */
const maxPool: Kernel = (call): Result[] => {
  const values = pooled(call, maxOf);
  const columnMajor = attr.int(call.node, 'storage_order', 0) === 1;
  const spatial = arg(call, 0).shape.slice(2);
  const positions = pooled(call, (under, { elements }, start) => {
    const at = elements[under.indexOf(maxOf(under))] as number;
    if (!columnMajor) return start + at;
    return start + indexOf(at, spatial).reduceRight((sum, index, axis) => sum * (spatial[axis] as number) + index, 0);
  });
  return [values, positions];
};

const averagePool: Kernel = (call) => {
  const all = attr.int(call.node, 'count_include_pad', 0) === 1;
  return pooled(call, (values, { padded }) => sum(values) / (all ? padded : values.length));
};

const lpPool: Kernel = (call) => {
  const p = attr.int(call.node, 'p', 2);
  return pooled(call, (values) => sum(values.map((v) => Math.abs(v) ** p)) ** (1 / p));
};

function global(f: (values: readonly number[]) => number): Kernel {
  return (call): Result => {
    const { shape, data } = arg(call, 0);
    const area = sizeOf(shape.slice(2));
    const planes = sizeOf(shape.slice(0, 2));
    const out = Float64Array.from({ length: planes }, (_, i) => f(Array.from(data.subarray(i * area, (i + 1) * area))));
    return { shape: shape.map((dim, i) => (i < 2 ? dim : 1)), data: out };
  };
}

export const pooling: Record<'MaxPool' | 'AveragePool' | 'LpPool' | 'GlobalAveragePool' | 'GlobalMaxPool', Kernel> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: global((values) => sum(values) / values.length),
  GlobalMaxPool: global(maxOf),
};
