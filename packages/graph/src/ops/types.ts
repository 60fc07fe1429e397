import type { GraphBuilder } from '../builder.ts';
import type { DType } from '../dtype.ts';
import type { Dim, Value } from '../ir.ts';
import type { TensorData } from '../tensor.ts';

/** A symbolic tensor, or a number that takes the dtype of the other operand. */
export type Operand = Value | number;

export interface ReduceOptions {
  /** Axes to reduce; all when absent. Negative ones count from the end. */
  axes?: readonly number[] | undefined;
  /** Keep reduced axes with size 1. @defaultValue `false` */
  keepdims?: boolean | undefined;
}

/** A frozen linear layer in int8: {@link Ops.int8Linear}. */
export interface Int8LayerValues {
  readonly weight: Value;
  readonly scale: Value;
  readonly transposed: Value;
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
  add(a: Operand, b: Operand): Value;
  sub(a: Operand, b: Operand): Value;
  mul(a: Operand, b: Operand): Value;
  div(a: Operand, b: Operand): Value;
  /** `a ** b`. */
  pow(a: Operand, b: Operand): Value;
  minimum(a: Operand, b: Operand): Value;
  maximum(a: Operand, b: Operand): Value;
  neg(x: Value): Value;
  abs(x: Value): Value;
  /** -1, 0 or 1; its gradient is zero. */
  sign(x: Value): Value;
  sqrt(x: Value): Value;
  reciprocal(x: Value): Value;
  exp(x: Value): Value;
  log(x: Value): Value;
  sin(x: Value): Value;
  cos(x: Value): Value;
  erf(x: Value): Value;
  /** Straight-through gradient. */
  floor(x: Value): Value;
  /** Half to even. Straight-through gradient. */
  round(x: Value): Value;
  /** `min <= x <= max`; the gradient passes inside and at the bounds. */
  clip(x: Value, options: { min?: number | undefined; max?: number | undefined }): Value;
  identity(x: Value): Value;
  cast(x: Value, dtype: DType): Value;
  /** The value without its gradient. */
  stopGradient(x: Value): Value;
  /** `value`, with `gradient` as its derivative with respect to `x` besides what it depends on; `value` is a scalar. */
  withGradient(value: Value, x: Value, gradient: Value): Value;

  // Comparison and choice: bool tensors
  equal(a: Operand, b: Operand): Value;
  greater(a: Operand, b: Operand): Value;
  greaterEqual(a: Operand, b: Operand): Value;
  less(a: Operand, b: Operand): Value;
  lessEqual(a: Operand, b: Operand): Value;
  logicalAnd(a: Value, b: Value): Value;
  logicalOr(a: Value, b: Value): Value;
  logicalNot(x: Value): Value;
  isNaN(x: Value): Value;
  isInf(x: Value): Value;
  where(condition: Value, a: Operand, b: Operand): Value;

  // Activations
  relu(x: Value): Value;
  leakyRelu(x: Value, options?: { alpha?: number | undefined }): Value;
  elu(x: Value, options?: { alpha?: number | undefined }): Value;
  sigmoid(x: Value): Value;
  tanh(x: Value): Value;
  softplus(x: Value): Value;
  /** `x · Φ(x)`; the tanh form with `approximate: 'tanh'` (Hendrycks & Gimpel, 2016). */
  gelu(x: Value, options?: { approximate?: 'none' | 'tanh' | undefined }): Value;
  /** `x · σ(x)`, also called swish. */
  silu(x: Value): Value;
  /** `x · σ(1.702 x)`. */
  quickGelu(x: Value): Value;
  /** Along `axis` (default last), shifted by the maximum. A row of only `-Infinity` gives NaN: mask with a finite value. */
  softmax(x: Value, options?: { axis?: number | undefined }): Value;
  logSoftmax(x: Value, options?: { axis?: number | undefined }): Value;

  // Reductions
  sum(x: Value, options?: ReduceOptions): Value;
  mean(x: Value, options?: ReduceOptions): Value;
  max(x: Value, options?: ReduceOptions): Value;
  min(x: Value, options?: ReduceOptions): Value;
  /** `sqrt(sum(x²))`. */
  norm(x: Value, options?: ReduceOptions): Value;
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
  transpose(x: Value, perm?: readonly number[]): Value;
  squeeze(x: Value, axes: readonly number[]): Value;
  expandDims(x: Value, axes: readonly number[]): Value;
  broadcastTo(x: Value, shape: readonly Dim[]): Value;
  tile(x: Value, repeats: readonly number[]): Value;
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
  triu(x: Value, options?: { k?: number | undefined }): Value;
  /** `[..., depth]` of `dtype` (default float32) from int64 class indices. */
  oneHot(indices: Value, depth: number, options?: { dtype?: DType | undefined }): Value;

  // Creation
  constant(data: TensorData): Value;
  zeros(shape: readonly Dim[], dtype?: DType): Value;
  ones(shape: readonly Dim[], dtype?: DType): Value;
  full(shape: readonly Dim[], value: number, dtype?: DType): Value;
  /** The run-time shape as an int64 vector. */
  shapeOf(x: Value): Value;

  /** Inverted dropout while training (the engine feeds the mask), the identity otherwise (Srivastava et al., 2014). */
  dropout(x: Value, options: { rate: number }): Value;
}
