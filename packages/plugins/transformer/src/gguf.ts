import { AnnealError, type JsonObject, type JsonValue } from '@anneal/core';
import {
  byteLengthOf,
  bytesOf,
  type Gguf,
  type GgufTensor,
  type LazyTensor,
  loadTensor,
  type TensorSource,
} from '@anneal/graph';

import type { Checkpoint } from './checkpoint.ts';

/** Names of llama.cpp below `blk.<i>`, and in Hugging Face's checkpoints below `model.layers.<i>`. */
const LAYER_NAMES: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};
const OTHER_NAMES: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};

/** Keys of config.json, and of the metadata below `llama.` */
const SIZES: Readonly<Record<string, string>> = {
  hidden_size: 'embedding_length',
  intermediate_size: 'feed_forward_length',
  num_hidden_layers: 'block_count',
  num_attention_heads: 'attention.head_count',
  num_key_value_heads: 'attention.head_count_kv',
  head_dim: 'rope.dimension_count',
  max_position_embeddings: 'context_length',
  rms_norm_eps: 'attention.layer_norm_rms_epsilon',
  rope_theta: 'rope.freq_base',
};
const TOKENS: Readonly<Record<string, string>> = {
  bos_token_id: 'tokenizer.ggml.bos_token_id',
  eos_token_id: 'tokenizer.ggml.eos_token_id',
  pad_token_id: 'tokenizer.ggml.padding_token_id',
};

/**
 * A GGUF file of the llama architecture as the checkpoint that it was made from. Quantised weights are dequantised when
 * they are read.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when it is of another architecture or scales its rotations.
 */
export function ggufCheckpoint({ metadata, tensors: stored }: Gguf, name: string): Checkpoint {
  const refuse = (message: string): AnnealError => new AnnealError('ANNEAL_E_MODEL', message, { file: name });
  const architecture = metadata.get('general.architecture');
  if (architecture !== 'llama') {
    throw refuse(`the architecture of a GGUF file must be "llama", received ${JSON.stringify(String(architecture))}`);
  }
  const scaling = metadata.get('llama.rope.scaling.type') ?? 'none';
  if (scaling !== 'none' || stored.has('rope_freqs.weight')) throw refuse('scaled rotary positions are not built');
  const config: Record<string, JsonValue> = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: stored.get('token_embd.weight')?.shape[0] ?? 0,
    tie_word_embeddings: !stored.has('output.weight'),
  };
  for (const [key, from] of [
    ...Object.entries(SIZES).map(([to, below]) => [to, `llama.${below}`] as const),
    ...Object.entries(TOKENS),
  ]) {
    const value = metadata.get(from);
    // Floats of the file are single: 1e-5 comes as 9.999999747378752e-6.
    if (typeof value === 'number') config[key] = Number.isInteger(value) ? value : Number(value.toPrecision(7));
  }
  const heads = (key: string): number => Number(config[key] ?? config['num_attention_heads']);
  const tensors = new Map<string, TensorSource>();
  for (const [key, tensor] of stored) {
    const [, index, layer, kind] = /^(?:blk\.(\d+)\.)?([a-z_]+)\.(weight|bias)$/.exec(key) ?? [];
    const path = layer && (index === undefined ? OTHER_NAMES : LAYER_NAMES)[layer];
    if (path === undefined) throw refuse(`the tensor "${key}" belongs to no layer of the llama architecture`);
    const rotated = { attn_q: 'num_attention_heads', attn_k: 'num_key_value_heads' }[layer as string];
    tensors.set(
      `${index === undefined ? path : `model.layers.${index}.${path}`}.${kind}`,
      rotated === undefined ? tensor : halves(tensor, heads(rotated)),
    );
  }
  return { config: config as JsonObject, tensors, name };
}

/**
 * Rows of queries and keys in the order of Hugging Face: llama.cpp rotates neighbours within a head and stores the two
 * that belong together side by side, Hugging Face rotates the first half against the second.
 */
function halves(tensor: GgufTensor, heads: number): LazyTensor {
  const { dtype, shape } = tensor;
  const size = byteLengthOf(dtype, shape);
  const rows = shape[0] as number;
  const [row, half] = [size / rows, rows / heads / 2];
  return {
    dtype,
    shape,
    offset: 0,
    source: {
      name: tensor.source.name,
      size,
      async read(offset, length) {
        const bytes = bytesOf(await loadTensor(tensor));
        const out = new Uint8Array(size);
        for (let to = 0; to < rows; to++) {
          const [head, within] = [Math.floor(to / (2 * half)), to % (2 * half)];
          const from = head * 2 * half + 2 * (within % half) + Math.floor(within / half);
          out.set(bytes.subarray(from * row, (from + 1) * row), to * row);
        }
        return out.subarray(offset, offset + length);
      },
    },
  };
}
