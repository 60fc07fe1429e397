import type { GraphBuilder } from '../builder.ts';
import type { DType } from '../dtype.ts';
import type { Dim, Value } from '../ir.ts';
import type { TensorData } from '../tensor.ts';

/** A symbolic tensor, or a number that takes the dtype of the other operand. */
export type Operand = Value | number;

/** What a reduction goes over. */
export interface ReduceOptions {
  /** Axes to reduce; all when absent. Negative ones count from the end. */
  axes?: readonly number[] | undefined;
  /** Keep reduced axes with size 1. @defaultValue `false` */
  keepdims?: boolean | undefined;
}

/** A frozen linear layer in int8: {@link Ops.int8Linear}. */
export interface Int8LayerValues {
  /** int8 `[in, out]`. */
  readonly weight: Value;
  /** float32 `[out]`. */
  readonly scale: Value;
  /** int8 `[out, in]`, rounded on its own. */
  readonly transposed: Value;
  /** float32 `[in]`. */
  readonly transposedScale: Value;
}

/**
 * The operators of Anneal, with NumPy's and Keras's names: tensors first, then one options object. Each call appends
 * to the graph being traced and returns a symbolic tensor whose dtype and shape are known at once.
 *
 * Binary operators broadcast as NumPy does. Both operands must have the same dtype; a plain number adapts.
 */
export interface Ops {
  /** What the operators append to: for functions that look at how a value came about. */
  readonly graph: GraphBuilder;

  // Elementwise arithmetic
  /** `a + b`. */
  add(a: Operand, b: Operand): Value;
  /** `a - b`. */
  sub(a: Operand, b: Operand): Value;
  /** `a · b`. */
  mul(a: Operand, b: Operand): Value;
  /** `a / b`; of integers towards zero. */
  div(a: Operand, b: Operand): Value;
  /** `a ** b`. */
  pow(a: Operand, b: Operand): Value;
  /** The smaller of two, element by element. */
  minimum(a: Operand, b: Operand): Value;
  /** The larger of two, element by element. */
  maximum(a: Operand, b: Operand): Value;
  /** `-x`. */
  neg(x: Value): Value;
  /** `|x|`. */
  abs(x: Value): Value;
  /** -1, 0 or 1; its gradient is zero. */
  sign(x: Value): Value;
  /** `√x`. */
  sqrt(x: Value): Value;
  /** `1 / x`. */
  reciprocal(x: Value): Value;
  /** `eˣ`. */
  exp(x: Value): Value;
  /** Natural logarithm. */
  log(x: Value): Value;
  /** Of radians. */
  sin(x: Value): Value;
  /** Of radians. */
  cos(x: Value): Value;
  /** The error function. */
  erf(x: Value): Value;
  /** Straight-through gradient. */
  floor(x: Value): Value;
  /** Half to even. Straight-through gradient. */
  round(x: Value): Value;
  /** `min <= x <= max`; the gradient passes inside and at the bounds. */
  clip(x: Value, options: { min?: number | undefined; max?: number | undefined }): Value;
  /** The value itself. */
  identity(x: Value): Value;
  /** Another element type; floats are cut towards zero to become integers. */
  cast(x: Value, dtype: DType): Value;
  /** The value without its gradient. */
  stopGradient(x: Value): Value;
  /** `value`, with `gradient` as its derivative with respect to `x` besides what it depends on; `value` is a scalar. */
  withGradient(value: Value, x: Value, gradient: Value): Value;

  // Comparison and choice: bool tensors
  /** `a == b`. */
  equal(a: Operand, b: Operand): Value;
  /** `a > b`. */
  greater(a: Operand, b: Operand): Value;
  /** `a >= b`. */
  greaterEqual(a: Operand, b: Operand): Value;
  /** `a < b`. */
  less(a: Operand, b: Operand): Value;
  /** `a <= b`. */
  lessEqual(a: Operand, b: Operand): Value;
  /** Both. */
  logicalAnd(a: Value, b: Value): Value;
  /** At least one. */
  logicalOr(a: Value, b: Value): Value;
  /** The opposite. */
  logicalNot(x: Value): Value;
  /** Whether an element is not a number. */
  isNaN(x: Value): Value;
  /** Whether an element is infinite. */
  isInf(x: Value): Value;
  /** `a` where the condition holds, `b` elsewhere. */
  where(condition: Value, a: Operand, b: Operand): Value;

  // Activations
  /** `max(x, 0)`. */
  relu(x: Value): Value;
  /** `x` above 0, `alpha · x` below. @defaultValue alpha `0.01` */
  leakyRelu(x: Value, options?: { alpha?: number | undefined }): Value;
  /** `x` above 0, `alpha · (eˣ - 1)` below. @defaultValue alpha `1` */
  elu(x: Value, options?: { alpha?: number | undefined }): Value;
  /** `1 / (1 + e⁻ˣ)`. */
  sigmoid(x: Value): Value;
  /** Hyperbolic tangent. */
  tanh(x: Value): Value;
  /** `ln(1 + eˣ)`. */
  softplus(x: Value): Value;
  /** `x · Φ(x)`; the tanh form with `approximate: 'tanh'` (Hendrycks & Gimpel, 2016). */
  gelu(x: Value, options?: { approximate?: 'none' | 'tanh' | undefined }): Value;
  /** `x · σ(x)`, also called swish. */
  silu(x: Value): Value;
  /** `x · σ(1.702 x)`. */
  quickGelu(x: Value): Value;
  /** Along `axis` (default last), shifted by the maximum. A row of only `-Infinity` gives NaN: mask with a finite value. */
  softmax(x: Value, options?: { axis?: number | undefined }): Value;
  /** The logarithm of {@link Ops.softmax}, without the loss of precision. */
  logSoftmax(x: Value, options?: { axis?: number | undefined }): Value;

  // Reductions
  /** The sum over axes. */
  sum(x: Value, options?: ReduceOptions): Value;
  /** The mean over axes. */
  mean(x: Value, options?: ReduceOptions): Value;
  /** The largest over axes. */
  max(x: Value, options?: ReduceOptions): Value;
  /** The smallest over axes. */
  min(x: Value, options?: ReduceOptions): Value;
  /** `sqrt(sum(x²))`. */
  norm(x: Value, options?: ReduceOptions): Value;
  /** `ln Σ eˣ` over axes, shifted by the maximum. */
  logSumExp(x: Value, options?: ReduceOptions): Value;
  /** int64 indices of the first maximum along `axis`. */
  argmax(x: Value, options?: { axis?: number | undefined; keepdims?: boolean | undefined }): Value;

  // Linear algebra
  /** `alpha · op(a) @ op(b)`; transposes swap the last two axes. Leading axes broadcast. */
  matmul(
    a: Value,
    b: Value,
    options?: { transposeA?: boolean | undefined; transposeB?: boolean | undefined; alpha?: number | undefined },
  ): Value;

  /**
   * `x @ (weight · scale)` with x rounded to uint8 as it comes: int8 `weight` `[in, out]`, float32 `scale` of one element
   * or `[out]`.
   */
  int8Matmul(x: Value, weight: Value, scale: Value): Value;
  /**
   * `int8Matmul` with a frozen weight, and a gradient on the same kernels. `transposed` is int8 `[out, in]`, the weight
   * rounded once more with a float32 scale for each input. With `rowwise` each row of x is divided by its largest element
   * first: the kernel has one step for all rows, and a token that is a hundred times as large takes the others away.
   */
  int8Linear(x: Value, layer: Int8LayerValues, options?: { rowwise?: boolean | undefined }): Value;

  // Normalisation
  /** Over axes `axis…last` (default the last), then `· scale + bias` (Ba et al., 2016). @defaultValue epsilon `1e-5` */
  layerNorm(
    x: Value,
    scale: Value,
    bias?: Value,
    options?: { axis?: number | undefined; epsilon?: number | undefined },
  ): Value;
  /** `x / sqrt(mean(x²) + epsilon) · scale` (Zhang & Sennrich, 2019). @defaultValue epsilon `1e-5` */
  rmsNorm(x: Value, scale: Value, options?: { axis?: number | undefined; epsilon?: number | undefined }): Value;

  // Movement
  /** `-1` is inferred; symbolic dimensions of `x` may appear in `shape`. */
  reshape(x: Value, shape: readonly Dim[]): Value;
  /** Axes in another order. @defaultValue perm reverses them */
  transpose(x: Value, perm?: readonly number[]): Value;
  /** Without the given axes of size 1. */
  squeeze(x: Value, axes: readonly number[]): Value;
  /** With new axes of size 1, numbered as in the result. */
  expandDims(x: Value, axes: readonly number[]): Value;
  /** Repeats axes of size 1 until the shape is reached. */
  broadcastTo(x: Value, shape: readonly Dim[]): Value;
  /** Repeats the whole along each axis. */
  tile(x: Value, repeats: readonly number[]): Value;
  /** One after the other along `axis`. */
  concat(values: readonly Value[], options: { axis: number }): Value;
  /** Pieces of the given sizes along `axis`. */
  split(x: Value, sizes: readonly number[], options: { axis: number }): Value[];
  /** `start:end:step` per listed axis; `end` is clamped, negatives count from the end. */
  slice(x: Value, ranges: readonly { axis: number; start: number; end: number; step?: number }[]): Value;
  /** Constant padding; one `[before, after]` per axis, negative crops. */
  pad(x: Value, pads: readonly (readonly [number, number])[], options?: { value?: number | undefined }): Value;
  /** `x[..., indices, ...]` along `axis` (ONNX Gather). @defaultValue axis `0` */
  take(x: Value, indices: Value, options?: { axis?: number | undefined }): Value;
  /** ONNX GatherElements. */
  takeAlongAxis(x: Value, indices: Value, options: { axis: number }): Value;
  /** Adds `updates` into `x` at `indices` along `axis` (ONNX ScatterElements, add): duplicates accumulate. */
  scatterAdd(x: Value, indices: Value, updates: Value, options: { axis: number }): Value;
  /** Lower triangle (`k`-th diagonal and below); zeros elsewhere. */
  tril(x: Value, options?: { k?: number | undefined }): Value;
  /** Upper triangle (`k`-th diagonal and above); zeros elsewhere. */
  triu(x: Value, options?: { k?: number | undefined }): Value;
  /** `[..., depth]` of `dtype` (default float32) from int64 class indices. */
  oneHot(indices: Value, depth: number, options?: { dtype?: DType | undefined }): Value;

  // Creation
  /** A tensor that nothing changes. */
  constant(data: TensorData): Value;
  /** All 0. @defaultValue dtype `'float32'` */
  zeros(shape: readonly Dim[], dtype?: DType): Value;
  /** All 1. @defaultValue dtype `'float32'` */
  ones(shape: readonly Dim[], dtype?: DType): Value;
  /** All `value`. @defaultValue dtype `'float32'` */
  full(shape: readonly Dim[], value: number, dtype?: DType): Value;
  /** The run-time shape as an int64 vector. */
  shapeOf(x: Value): Value;

  /** Inverted dropout while training (the engine feeds the mask), the identity otherwise (Srivastava et al., 2014). */
  dropout(x: Value, options: { rate: number }): Value;
}
