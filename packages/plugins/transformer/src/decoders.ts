import { AnnealError, type JsonObject, type JsonValue } from '@anneal/core';

import { oneOf } from './config.ts';
import { ACTIVATIONS } from './layers/basic.ts';

/** Sizes of a decoder; the names of Hugging Face's `LlamaConfig` in camelCase. */
export interface DecoderShape {
  /** Entries of the vocabulary. */
  readonly vocabSize: number;
  /** Width of the model. */
  readonly hiddenSize: number;
  /** Width of the MLP. */
  readonly intermediateSize: number;
  /** Blocks. */
  readonly numHiddenLayers: number;
  /** Heads of queries. */
  readonly numAttentionHeads: number;
  /** Heads of keys and values, each of which serves several queries (Ainslie et al., "GQA", 2023). */
  readonly numKeyValueHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Longest sequence. */
  readonly maxPositionEmbeddings: number;
  /** Activation of the MLP. */
  readonly hiddenAct: string;
  /** Epsilon of normalisations. */
  readonly rmsNormEps: number;
  /** Base of the wavelengths of rotary positions (Su et al., "RoFormer", 2021). */
  readonly ropeTheta: number;
  /** The output layer is the table of word embeddings. */
  readonly tieWordEmbeddings: boolean;
  /** Projections of attention have biases. */
  readonly attentionBias: boolean;
  /** Layers of the MLP have biases. */
  readonly mlpBias: boolean;
}

/** How one family of decoders names its modules. Paths are module paths. */
export interface DecoderArchitecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** The class that opens such a checkpoint in PyTorch. */
  readonly className: string;
  /** The table of words. */
  readonly embeddings: string;
  /** The list of blocks. */
  readonly layers: string;
  /** Below `<layers>.<i>`. */
  readonly attention: Readonly<Record<'query' | 'key' | 'value' | 'output' | 'norm', string>>;
  /** Below `<layers>.<i>`. */
  readonly mlp: Readonly<Record<'gate' | 'up' | 'down' | 'norm', string>>;
  /** After the last block. */
  readonly norm: string;
  /** The output layer where it is not tied. */
  readonly head: string;
}

/** Tokens that a config.json names, by role. */
export type TokenIds = Readonly<Partial<Record<'bos' | 'eos' | 'pad', number | undefined>>>;

/** What config.json says of a decoder. */
export interface DecoderConfig {
  /** Its family. */
  readonly architecture: DecoderArchitecture;
  /** Its sizes. */
  readonly shape: DecoderShape;
  /** @defaultValue none */
  readonly tokenIds?: TokenIds | undefined;
}

/** A family of decoders. */
export type DecoderName = 'llama';

/** Families of decoders that this package builds. */
export const DECODERS: Readonly<Record<DecoderName, DecoderArchitecture>> = {
  // Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023; SmolLM and SmolLM2 are of this form.
  llama: {
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    embeddings: 'model.embed_tokens',
    layers: 'model.layers',
    attention: {
      query: 'self_attn.q_proj',
      key: 'self_attn.k_proj',
      value: 'self_attn.v_proj',
      output: 'self_attn.o_proj',
      norm: 'input_layernorm',
    },
    mlp: { gate: 'mlp.gate_proj', up: 'mlp.up_proj', down: 'mlp.down_proj', norm: 'post_attention_layernorm' },
    norm: 'model.norm',
    head: 'lm_head',
  },
};

/** Name in config.json, and the value when it is left out: Hugging Face's `LlamaConfig`. */
const KEYS: { readonly [K in keyof DecoderShape]: readonly [string, DecoderShape[K] | undefined] } = {
  vocabSize: ['vocab_size', 32_000],
  hiddenSize: ['hidden_size', 4096],
  intermediateSize: ['intermediate_size', 11_008],
  numHiddenLayers: ['num_hidden_layers', 32],
  numAttentionHeads: ['num_attention_heads', 32],
  // These two follow from the others.
  numKeyValueHeads: ['num_key_value_heads', undefined],
  headDim: ['head_dim', undefined],
  maxPositionEmbeddings: ['max_position_embeddings', 2048],
  hiddenAct: ['hidden_act', 'silu'],
  rmsNormEps: ['rms_norm_eps', 1e-6],
  ropeTheta: ['rope_theta', 10_000],
  tieWordEmbeddings: ['tie_word_embeddings', false],
  attentionBias: ['attention_bias', false],
  mlpBias: ['mlp_bias', false],
};

/** Names in config.json. */
export const DECODER_KEYS: Readonly<Record<keyof DecoderShape, string>> = Object.fromEntries(
  Object.entries(KEYS).map(([key, [name]]) => [key, name]),
) as Record<keyof DecoderShape, string>;

const TOKEN_KEYS = { bos: 'bos_token_id', eos: 'eos_token_id', pad: 'pad_token_id' } as const;

/** Hugging Face config.json of a decoder. */
export function toDecoderConfig({ architecture, shape, tokenIds = {} }: DecoderConfig): JsonObject {
  const sizes = (Object.keys(KEYS) as (keyof DecoderShape)[]).map((key) => [DECODER_KEYS[key], shape[key]]);
  const ids = Object.entries(TOKEN_KEYS).flatMap(([role, name]) => {
    const id = tokenIds[role as keyof TokenIds];
    return id === undefined ? [] : [[name, id]];
  });
  return {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    ...(Object.fromEntries([...sizes, ...ids]) as JsonObject),
    torch_dtype: 'float32',
  };
}

const SIZES = [
  'vocabSize',
  'hiddenSize',
  'intermediateSize',
  'numHiddenLayers',
  'numAttentionHeads',
  'numKeyValueHeads',
  'headDim',
  'maxPositionEmbeddings',
] as const satisfies readonly (keyof DecoderShape)[];

/**
 * Reads the config.json of a decoder.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when it describes something that this package does not build.
 */
export function decoderConfig(json: JsonObject, file: string): DecoderConfig {
  const refuse = (message: string): AnnealError => new AnnealError('ANNEAL_E_MODEL', message, { file });
  const type = json['model_type'];
  if (typeof type !== 'string' || !Object.hasOwn(DECODERS, type)) {
    throw refuse(`\`model_type\` must be ${oneOf(Object.keys(DECODERS), type)}, received ${JSON.stringify(type)}`);
  }
  const rope = ropeOf(json, refuse);
  const given = (key: keyof DecoderShape, fallback: JsonValue | undefined): JsonValue | undefined =>
    (key === 'ropeTheta' ? rope['rope_theta'] : undefined) ?? json[KEYS[key][0]] ?? fallback;
  const heads = given('numAttentionHeads', KEYS.numAttentionHeads[1]) as number;
  const derived: Partial<Record<keyof DecoderShape, number>> = {
    numKeyValueHeads: heads,
    headDim: (given('hiddenSize', KEYS.hiddenSize[1]) as number) / heads,
  };
  const shape: Record<string, JsonValue> = {};
  for (const key of Object.keys(KEYS) as (keyof DecoderShape)[]) {
    const [name, usual] = KEYS[key];
    const fallback = usual ?? (derived[key] as number);
    const value = given(key, fallback) as JsonValue;
    if (typeof value !== typeof fallback) {
      throw refuse(`\`${name}\` must be a ${typeof fallback}, received ${JSON.stringify(value)}`);
    }
    shape[key] = value;
  }
  for (const key of SIZES) {
    const value = shape[key] as number;
    if (!Number.isInteger(value) || value < 1) {
      throw refuse(`\`${KEYS[key][0]}\` must be an integer of at least 1, received ${value}`);
    }
  }
  const config = { architecture: DECODERS[type as DecoderName], shape: shape as unknown as DecoderShape };
  checkDecoder(config.shape, refuse);
  return { ...config, tokenIds: tokenIdsOf(json) };
}

/** Several ids of one role, as chat models have ends, count as the first. */
function tokenIdsOf(json: JsonObject): TokenIds {
  const ids: Partial<Record<keyof TokenIds, number>> = {};
  for (const [role, name] of Object.entries(TOKEN_KEYS)) {
    const given = json[name];
    const id = Array.isArray(given) ? (given as readonly JsonValue[])[0] : given;
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0) ids[role as keyof TokenIds] = id;
  }
  return ids;
}

/** What `rope_parameters` (`rope_scaling` of older files) says, when it is plain rotation. */
function ropeOf(json: JsonObject, refuse: (message: string) => AnnealError): JsonObject {
  const given = json['rope_parameters'] ?? json['rope_scaling'];
  const rope: JsonObject =
    typeof given === 'object' && given !== null && !Array.isArray(given) ? (given as JsonObject) : {};
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  if (type !== 'default') throw refuse(`\`rope_type\` must be "default", received ${JSON.stringify(type)}`);
  return rope;
}

/** What no table of types can say. @throws what `refuse` makes */
export function checkDecoder(shape: DecoderShape, refuse: (message: string) => AnnealError): void {
  const { numAttentionHeads, numKeyValueHeads, headDim, hiddenAct } = shape;
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw refuse(`${numAttentionHeads} attention heads are not a multiple of ${numKeyValueHeads} key-value heads`);
  }
  if (headDim % 2 !== 0) throw refuse(`heads of ${headDim} have no pairs to rotate: \`head_dim\` must be even`);
  if (!Object.hasOwn(ACTIVATIONS, hiddenAct)) {
    throw refuse(`the activation must be ${oneOf(Object.keys(ACTIVATIONS), hiddenAct)}, received "${hiddenAct}"`);
  }
}
