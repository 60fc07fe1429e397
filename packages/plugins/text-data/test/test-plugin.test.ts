import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, texts, tinyClassification, tinyClassifier, tinyWords } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { textData } from '../src/index.ts';

const plugins = [tinyWords(), tinyClassification(), tinyClassifier()];
const files = {
  'data/all.jsonl': texts(40, 7)
    .map((row) => JSON.stringify(row))
    .join('\n'),
};

describe('text data', () => {
  testPlugin(textData, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'of a file',
        options: { sources: [{ files: 'data/*.jsonl' }], labels: { ham: 'ham', spam: 'spam' }, dedup: { near: false } },
        plugins,
        files,
        check: ({ report }) => expect(report.data).toMatchObject({ rowsIn: 40 }),
      },
    ],
    invalid: [
      { options: { sources: [] }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['sources'] }] },
      {
        options: { sources: [{ files: 'data/*.csv' }] },
        plugins,
        files,
        errors: [{ code: 'TEXT_DATA_E_NO_FILES', hook: 'data.resolveDataset' }],
      },
    ],
  });
});
