/** Terms below this no longer change a double. */
const TINY = 2 ** -54;

/**
 * The error function to a few ulps: `erf(x) = 2x/√π · e^(-x²) · Σ (2x²)^n / (2n+1)!!`, whose terms are all positive
 * (Abramowitz & Stegun 7.1.6). Beyond 6 it is 1 in doubles.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  const square = x * x;
  let term = 1;
  let sum = 1;
  for (let n = 1; term > sum * TINY; n++) {
    term *= (2 * square) / (2 * n + 1);
    sum += term;
  }
  return ((2 * x) / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
}

/** `1 / (1 + e^-x)` without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** `log(1 + e^x)` without overflow. */
export function softplus(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/** `x · Φ(x)` (Hendrycks & Gimpel, 2016). */
export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** The tanh form of {@link gelu}. */
export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
