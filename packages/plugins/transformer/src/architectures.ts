/** Sizes and rates of an encoder; the names of Hugging Face's `BertConfig` in camelCase. */
export interface TransformerShape {
  /** Entries of the vocabulary. */
  readonly vocabSize: number;
  /** Width of the model. */
  readonly hiddenSize: number;
  /** Blocks. */
  readonly numHiddenLayers: number;
  /** Heads of attention. */
  readonly numAttentionHeads: number;
  /** Width of the MLP. */
  readonly intermediateSize: number;
  /** Longest sequence. */
  readonly maxPositionEmbeddings: number;
  /** Segments. */
  readonly typeVocabSize: number;
  /** Activation of the MLP. */
  readonly hiddenAct: string;
  /** Dropout after embeddings and in front of residual connections. */
  readonly hiddenDropoutProb: number;
  /** Dropout of attention probabilities. */
  readonly attentionProbsDropoutProb: number;
  /** Dropout in front of the classifier. */
  readonly classifierDropout: number;
  /** Epsilon of normalisations. */
  readonly layerNormEps: number;
  /** Standard deviation of initial weights. */
  readonly initializerRange: number;
  /** Number of the padding token. */
  readonly padTokenId: number;
}

/** What a config.json and the options leave out, unless the family says otherwise: Hugging Face's `BertConfig`. */
export const DEFAULT_SHAPE: TransformerShape = {
  vocabSize: 30_522,
  hiddenSize: 768,
  numHiddenLayers: 12,
  numAttentionHeads: 12,
  intermediateSize: 3072,
  maxPositionEmbeddings: 512,
  typeVocabSize: 2,
  hiddenAct: 'gelu',
  hiddenDropoutProb: 0.1,
  attentionProbsDropoutProb: 0.1,
  classifierDropout: 0.1,
  layerNormEps: 1e-12,
  initializerRange: 0.02,
  padTokenId: 0,
};

/** How one family of checkpoints arranges and names what the families have in common. Paths are module paths. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** The class that opens such a checkpoint in PyTorch: `architectures` of config.json. */
  readonly className: string;
  /** Sizes and rates that Hugging Face gives the family when a config.json leaves them out. */
  readonly defaults: Partial<TransformerShape>;
  /** Names in config.json. Those that are left out are not part of the family's config. */
  readonly configKeys: Readonly<Partial<Record<keyof TransformerShape, string>>>;
  /** Tables and their normalisation. */
  readonly embeddings: {
    readonly word: string;
    readonly position: string;
    /** Segments; absent where the family has none. */
    readonly tokenType?: string | undefined;
    readonly norm: string;
  };
  /** The list of blocks. */
  readonly layers: string;
  /** Below `<layers>.<i>`. */
  readonly attention: Readonly<Record<'query' | 'key' | 'value' | 'output' | 'norm', string>> & {
    /** Whether the output projection is dropped out before the residual connection. */
    readonly outputDropout: boolean;
  };
  /** Below `<layers>.<i>`. */
  readonly mlp: Readonly<Record<'up' | 'down' | 'norm', string>>;
  /** The linear layer over the pooled vector, before the classifier. */
  readonly pooler: { readonly path: string; readonly activation: string };
  /** The last layer. */
  readonly classifier: string;
}

/** Families that this package builds. */
export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  // Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
  bert: {
    modelType: 'bert',
    className: 'BertForSequenceClassification',
    defaults: {},
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
      outputDropout: true,
    },
    mlp: { up: 'intermediate.dense', down: 'output.dense', norm: 'output.LayerNorm' },
    pooler: { path: 'bert.pooler.dense', activation: 'tanh' },
    classifier: 'classifier',
  },
  // Sanh et al., "DistilBERT, a distilled version of BERT", 2019: no segments, half the layers.
  distilbert: {
    modelType: 'distilbert',
    className: 'DistilBertForSequenceClassification',
    defaults: { numHiddenLayers: 6, classifierDropout: 0.2 },
    configKeys: {
      vocabSize: 'vocab_size',
      hiddenSize: 'dim',
      numHiddenLayers: 'n_layers',
      numAttentionHeads: 'n_heads',
      intermediateSize: 'hidden_dim',
      maxPositionEmbeddings: 'max_position_embeddings',
      hiddenAct: 'activation',
      hiddenDropoutProb: 'dropout',
      attentionProbsDropoutProb: 'attention_dropout',
      classifierDropout: 'seq_classif_dropout',
      initializerRange: 'initializer_range',
      padTokenId: 'pad_token_id',
    },
    embeddings: {
      word: 'distilbert.embeddings.word_embeddings',
      position: 'distilbert.embeddings.position_embeddings',
      norm: 'distilbert.embeddings.LayerNorm',
    },
    layers: 'distilbert.transformer.layer',
    attention: {
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      output: 'attention.out_lin',
      norm: 'sa_layer_norm',
      outputDropout: false,
    },
    mlp: { up: 'ffn.lin1', down: 'ffn.lin2', norm: 'output_layer_norm' },
    pooler: { path: 'pre_classifier', activation: 'relu' },
    classifier: 'classifier',
  },
};

/** A family of encoders. */
export type ArchitectureName = 'bert' | 'distilbert';
