import type { Rewrite } from '../../rewrites/define.ts';
import { attentions } from './attention.ts';
import { grouped } from './grouped.ts';
import { norms } from './norms.ts';
import { quantized } from './quantized.ts';

/**
 * Fused operators of language models as operators that have gradients. Each rule is checked against ONNX Runtime's
 * implementation of the operator.
 */
export const EXPANSIONS: readonly Rewrite[] = [...norms, ...attentions, ...grouped];

/** Integer products as products of floats with the same weights; these change results by the quantization error. */
export const DEQUANTIZATIONS: readonly Rewrite[] = quantized;
