import { AnnealError, type Feature, type Sample } from '@anneal/core';

/** A label that does not count, as Hugging Face and PyTorch have it. */
export const IGNORED = -100;
/** Tokens of a block when nothing says otherwise, as in Hugging Face's `run_clm`. */
const BLOCK_SIZE = 1024;

/** Feature with 1 for every token that the loss is about, 0 for prompts; TRL's name. */
const MASK = 'completion_mask';

/**
 * Ends a tokenised row with the `eos` token, unless it ends so, marks what the loss is about, and adds labels.
 *
 * @throws AnnealError `ANNEAL_E_DATA` when the row is not tokenised.
 */
export function encodeDocument(
  sample: Sample,
  { eos, completionOnly }: { readonly eos: number | undefined; readonly completionOnly: boolean | undefined },
): Sample {
  const ids = vector(sample, 'input_ids');
  const types = sample.features['token_type_ids'];
  const paired = typeof types === 'object';
  const ends = eos === undefined || ids[ids.length - 1] === eos ? 0 : 1;
  const tokens = new Int32Array(ids.length + ends).fill(eos ?? 0);
  tokens.set(ids);
  const mask = new Int32Array(tokens.length).fill(1);
  // The end belongs to the completion.
  if (paired && (completionOnly ?? true)) for (let i = 0; i < ids.length; i++) mask[i] = types[i] as number;
  return block({ ...sample, features: { ...sample.features, [MASK]: mask } }, tokens, mask);
}

function vector(sample: Sample, name: string): Exclude<Feature, number> {
  const feature = sample.features[name];
  if (typeof feature === 'object') return feature;
  throw new AnnealError('ANNEAL_E_DATA', `a sample has no \`${name}\`, received ${listed(sample)}`, {
    fix: 'add a tokenizer, e.g. @anneal/plugin-tokenizer',
  });
}

function listed({ features }: Sample): string {
  return Object.keys(features).join(', ') || 'none';
}

/** A sample of these tokens: each has the next one as its label, where that counts. */
function block(sample: Sample, tokens: Int32Array, mask: Int32Array): Sample {
  const labels = tokens.map((_, i) => (mask[i + 1] === 1 ? (tokens[i + 1] as number) : IGNORED));
  const attention = new Int32Array(tokens.length).fill(1);
  return { ...sample, features: { ...sample.features, input_ids: tokens, attention_mask: attention, labels } };
}

export interface PackOptions {
  readonly packing: boolean;
  readonly blockSize?: number | undefined;
  /** What the model and the training take. */
  readonly maxLength: number;
}

/**
 * Samples of up to `blockSize` tokens: documents one after the other, cut wherever a block is full, as `group_texts` of
 * Hugging Face's `run_clm` does, but the last block stays although it is shorter. Without `packing`, the beginning of
 * each document.
 *
 * @throws AnnealError `ANNEAL_E_OPTIONS` when blocks are longer than what the model takes.
 */
export function packSamples(samples: readonly Sample[], options: PackOptions): readonly Sample[] {
  const { packing, maxLength } = options;
  const size = options.blockSize ?? Math.min(BLOCK_SIZE, maxLength);
  if (size > maxLength) {
    throw new AnnealError(
      'ANNEAL_E_OPTIONS',
      `\`blockSize\` must be at most ${maxLength}, which the model and \`train.maxLength\` allow, received ${size}`,
      { path: ['blockSize'], plugin: 'language-modeling' },
    );
  }
  const groups = packing ? joined(samples) : samples.map((sample) => [sample]);
  return groups.flatMap((group) => (packing ? blocksOf(group, size) : blocksOf(group, size).slice(0, 1)));
}

function joined(samples: readonly Sample[]): readonly (readonly Sample[])[] {
  return samples.length === 0 ? [] : [samples];
}

function blocksOf(samples: readonly Sample[], size: number): Sample[] {
  const all = (name: string): Int32Array => {
    const parts = samples.map((sample) => vector(sample, name));
    const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  const [tokens, mask] = [all('input_ids'), all(MASK)];
  const blocks: Sample[] = [];
  let [index, end] = [-1, 0];
  // A last token alone predicts nothing.
  for (let start = 0; start < tokens.length - 1; start += size) {
    while (end <= start) end += vector(samples[++index] as Sample, 'input_ids').length;
    const { row } = samples[index] as Sample;
    blocks.push(block({ row, features: {} }, tokens.slice(start, start + size), mask.slice(start, start + size)));
  }
  return blocks;
}
