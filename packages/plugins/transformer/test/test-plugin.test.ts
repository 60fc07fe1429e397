import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyClassification, tinyNextToken, tinyTexts, tinyWords } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { transformer, type TransformerOptions } from '../src/index.ts';

const SMALL: TransformerOptions = {
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 8,
  maxPositionEmbeddings: 16,
};

describe('transformer', () => {
  testPlugin(transformer, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'BERT',
        options: { ...SMALL, pooling: 'mean' },
        plugins: [tinyTexts(), tinyWords(), tinyClassification()],
        check: ({ files }) => expect(new TextDecoder().decode(files.get('config.json'))).toContain('"bert"'),
      },
      {
        name: 'Llama',
        options: SMALL,
        plugins: [tinyTexts(), tinyWords(), tinyNextToken()],
        check: ({ files }) => expect(new TextDecoder().decode(files.get('config.json'))).toContain('"llama"'),
      },
    ],
    invalid: [
      {
        options: { hiddenSize: 10, numAttentionHeads: 3 },
        errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['numAttentionHeads'], message: /must divide `hiddenSize`/ }],
      },
      {
        name: 'no vocabulary',
        options: SMALL,
        plugins: [tinyTexts(), tinyClassification()],
        errors: [{ code: 'ANNEAL_E_MODEL', hook: 'model.resolveModel', message: /`vocabSize` is not given/ }],
      },
    ],
  });
});
