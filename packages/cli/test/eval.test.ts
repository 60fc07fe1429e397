import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { classOf } from '../src/commands/eval.ts';
import { main } from '../src/main.ts';
import { fakeIo, fakeServices, folder } from './fakes.ts';

const model = {
  'dist/config.json': { id2label: { '0': 'ham', '1': 'spam' } },
  'dist/onnx/model.onnx': '',
  'dist/onnx/model_quantized.onnx': '',
  'dist/onnx/notes.txt': '',
};

async function evaluate(files: Readonly<Record<string, unknown>>, ...argv: string[]) {
  const cwd = folder(files);
  const io = fakeIo({ cwd });
  const { services, calls } = fakeServices();
  const code = await main(['eval', ...argv], io, services);
  const asked = calls.filter(([name]) => name === 'evaluate').map(([, options]) => options);
  return { cwd, code, out: io.stdout.text(), err: io.stderr.text(), asked };
}

it('measures every variant of the output folder on the test split', async () => {
  const { cwd, code, out, asked } = await evaluate(model);
  expect(code).toBe(0);
  expect(asked).toEqual([
    { dir: join(cwd, 'dist'), variant: 'model', rows: undefined },
    { dir: join(cwd, 'dist'), variant: 'model_quantized', rows: undefined },
  ]);
  expect(out).toMatchInlineSnapshot(`
    "Test split  dist
                          model  model_quantized
      accuracy  0.9800 ± 0.0100  0.9800 ± 0.0100
    "
  `);
});

it('predicts texts and rows with class names and probabilities', async () => {
  const rows = '{"text": "one", "id": 7}\n\n{"text": "two"}\r\n';
  const { code, out, asked, cwd } = await evaluate(
    { ...model, 'rows.jsonl': rows },
    ...'dist --variant model -t 007 --input rows.jsonl -o out/p.jsonl'.split(' '),
  );
  expect(code).toBe(0);
  expect(asked).toMatchObject([{ rows: [{ text: '007' }, { text: 'one', id: 7 }, { text: 'two' }] }]);
  expect(out).toMatchInlineSnapshot(`
    "model
      spam  0.7500  007
      spam  0.7500  one
      spam  0.7500  two
    wrote out/p.jsonl
    "
  `);
  const lines = readFileSync(join(cwd, 'out/p.jsonl'), 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { variant: 'model', text: '007', label: 'spam', outputs: { logits: [0, Math.log(3)] } },
    { variant: 'model', text: 'one', id: 7 },
    { variant: 'model', text: 'two' },
  ]);
});

it('prints one JSON document with --json', async () => {
  const measured = await evaluate(model, '--json');
  expect(JSON.parse(measured.out)).toMatchObject({
    metrics: { model: { accuracy: { value: 0.98 } }, model_quantized: { accuracy: { value: 0.98 } } },
  });
  const predicted = await evaluate(model, '--json', '--text', 'x', '--variant', 'model');
  expect(JSON.parse(predicted.out)).toMatchObject({ predictions: [{ text: 'x', label: 'spam' }] });
});

it.each([
  [{}, [], 'ANNEAL_E_MODEL', 'nothing ends in .onnx'],
  [model, ['--variant', 'model_quantised'], 'ANNEAL_E_MODEL', 'did you mean `model_quantized`?'],
  [model, ['--input', 'no.jsonl'], 'ANNEAL_E_DATA', 'the rows cannot be read'],
  [{ ...model, 'r.jsonl': '{"text": 1}\n[1]' }, ['--input', 'r.jsonl'], 'ANNEAL_E_DATA', 'line 2 is not a JSON object'],
  [{ ...model, 'r.jsonl': '{' }, ['--input', 'r.jsonl'], 'ANNEAL_E_DATA', 'line 1 is not a JSON object'],
  [{ ...model, out: '' }, ['-t', 'x', '-o', 'out/p.jsonl'], 'ANNEAL_E_WRITE', 'could not be written'],
])('says what is wrong: %#', async (files, argv, code, message) => {
  const { err, code: exit } = await evaluate(files, ...argv);
  expect(exit).toBe(1);
  expect(err).toContain(`${code}  `);
  expect(err.replaceAll(/\n\s*/g, ' ')).toContain(message);
});

it('gives probabilities that a softmax gives', () => {
  const predict = (logits: readonly number[], labels?: readonly string[]) =>
    classOf({ row: {}, outputs: { logits } }, labels);
  expect(predict([0, Math.log(3)], ['a', 'b'])).toEqual({
    label: 'b',
    probability: expect.closeTo(0.75, 12) as number,
  });
  expect(predict([1000, 0, 0], ['a', 'b', 'c'])?.probability).toBe(1);
  expect(predict([1, 2, 3], ['a', 'b'])).toBeUndefined();
  expect(predict([1, 2])).toBeUndefined();
  expect(predict([], [])).toBeUndefined();
});
