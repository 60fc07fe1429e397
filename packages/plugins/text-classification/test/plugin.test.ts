import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyClassifier, tinyTexts, tinyWords } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { textClassification } from '../src/index.ts';

const plugins = [tinyTexts(), tinyWords(), tinyClassifier()];

describe('text classification', () => {
  testPlugin(textClassification, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'with weights and a baseline',
        options: { classWeights: 'balanced', positiveLabel: 'spam', bootstrapSamples: 100 },
        plugins,
        check: ({ report }) => expect(Object.keys(report.baseline)).toEqual(['tfidf-logreg']),
      },
    ],
    invalid: [
      {
        options: { labels: ['ham', 'spam'], positiveLabel: 'egg' },
        errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['positiveLabel'] }],
      },
      { options: { labels: ['ham', 'egg'] }, plugins, errors: [{ code: 'ANNEAL_E_DATA', hook: 'data.resolveTask' }] },
    ],
  });
});
