import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyLanguageModeling } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { biasAudit } from '../src/index.ts';

describe('bias audit', () => {
  testPlugin(biasAudit, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'of two groups',
        options: {
          groups: { a: ['Anna', 'Maria'], b: ['John', 'Peter'] },
          bootstrapSamples: 100,
          swapsPerRow: 1,
          probeRows: 4,
        },
        check: ({ report }) => expect(Object.keys(report.audit)).toEqual(['bias']),
      },
    ],
    invalid: [
      { options: { groups: { a: ['Anna', 'Maria'] } }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['groups'] }] },
      { options: { probeTemplate: 'Dear,' }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['probeTemplate'] }] },
      {
        name: 'a language model',
        options: { groups: { a: ['Anna', 'Maria'], b: ['John', 'Peter'] } },
        plugins: tinyLanguageModeling(),
        errors: [{ code: 'BIAS_AUDIT_E_TASK', hook: 'evaluate.auditModel' }],
      },
    ],
  });

  it('has a section for each instance', async () => {
    const { runPipeline, tinyTextClassification } = await import('@anneal/testkit');
    const options = { bootstrapSamples: 100, swapsPerRow: 1, probeRows: 4 };
    const { report } = await runPipeline({
      plugins: [
        biasAudit({ ...options, groups: { a: ['Anna', 'Maria'], b: ['John', 'Peter'] } }),
        biasAudit.instance('titles', { ...options, groups: { a: ['Lady', 'Madam'], b: ['Lord', 'Sir'] } }),
        ...tinyTextClassification(),
      ],
    });
    expect(Object.keys(report.audit)).toEqual(['bias', 'bias-titles']);
  });
});
