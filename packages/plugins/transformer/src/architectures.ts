/** Sizes and rates of an encoder; the names of Hugging Face's `BertConfig` in camelCase. */
export interface TransformerShape {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly maxPositionEmbeddings: number;
  readonly typeVocabSize: number;
  readonly hiddenAct: string;
  readonly hiddenDropoutProb: number;
  readonly attentionProbsDropoutProb: number;
  readonly classifierDropout: number;
  readonly layerNormEps: number;
  readonly initializerRange: number;
  readonly padTokenId: number;
}

/** How one family of checkpoints arranges and names what the families have in common. Paths are module paths. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** The class that opens such a checkpoint in PyTorch: `architectures` of config.json. */
  readonly className: string;
  /** Names in config.json. Those that are left out are not part of the family's config. */
  readonly configKeys: Readonly<Partial<Record<keyof TransformerShape, string>>>;
  readonly embeddings: {
    readonly word: string;
    readonly position: string;
    /** Segments; absent where the family has none. */
    readonly tokenType?: string | undefined;
    readonly norm: string;
  };
  readonly layers: string;
  /** Below `<layers>.<i>`. */
  readonly attention: Readonly<Record<'query' | 'key' | 'value' | 'output' | 'norm', string>>;
  readonly mlp: Readonly<Record<'up' | 'down' | 'norm', string>>;
  /** The linear layer over the pooled vector, before the classifier. */
  readonly pooler: { readonly path: string; readonly activation: string };
  readonly classifier: string;
}

/** Families that this package builds. */
export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  // Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
  bert: {
    modelType: 'bert',
    className: 'BertForSequenceClassification',
    configKeys: {
      vocabSize: 'vocab_size',
      hiddenSize: 'hidden_size',
      numHiddenLayers: 'num_hidden_layers',
      numAttentionHeads: 'num_attention_heads',
      intermediateSize: 'intermediate_size',
      maxPositionEmbeddings: 'max_position_embeddings',
      typeVocabSize: 'type_vocab_size',
      hiddenAct: 'hidden_act',
      hiddenDropoutProb: 'hidden_dropout_prob',
      attentionProbsDropoutProb: 'attention_probs_dropout_prob',
      classifierDropout: 'classifier_dropout',
      layerNormEps: 'layer_norm_eps',
      initializerRange: 'initializer_range',
      padTokenId: 'pad_token_id',
    },
    embeddings: {
      word: 'bert.embeddings.word_embeddings',
      position: 'bert.embeddings.position_embeddings',
      tokenType: 'bert.embeddings.token_type_embeddings',
      norm: 'bert.embeddings.LayerNorm',
    },
    layers: 'bert.encoder.layer',
    attention: {
      query: 'attention.self.query',
      key: 'attention.self.key',
      value: 'attention.self.value',
      output: 'attention.output.dense',
      norm: 'attention.output.LayerNorm',
    },
    mlp: { up: 'intermediate.dense', down: 'output.dense', norm: 'output.LayerNorm' },
    pooler: { path: 'bert.pooler.dense', activation: 'tanh' },
    classifier: 'classifier',
  },
};

export type ArchitectureName = 'bert';
