import { configJsonSchema, type DescribedPlugin } from '@anneal/core';
import { Ajv } from 'ajv';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

const tree = z.strictObject({
  name: z.string(),
  get children() {
    return z.array(tree).optional();
  },
}); // recursive
const plugins: readonly DescribedPlugin[] = [
  {
    name: 'lora',
    schema: v.strictObject({
      r: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.description('Rank of the update.')), 8),
    }),
  },
  { name: 'forest', schema: tree },
  { name: 'plain', schema: { '~standard': { version: 1, vendor: 'plain', validate: (value) => ({ value }) } } },
];

const schema = await configJsonSchema(plugins);
const validate = new Ajv({ strict: false }).compile(schema);

describe('valid configs', () => {
  it.each([
    [{}],
    [{ $schema: './anneal.schema.json' }],
    [{ plugins: ['lora', ['lora', { r: 4 }], ['lora', 'forest'], [], null, false, './own.ts', ['other', { x: 1 }]] }],
    [
      {
        plugins: [
          ['forest', { name: 'a', children: [{ name: 'b', children: [] }] }],
          ['plain', { any: 'thing' }],
        ],
      },
    ],
    [{ plugins: [['lora#encoder', { r: 4 }], ['lora#2', {}], 'lora#encoder', ['other#x', { y: 1 }]] }],
    [{ stages: { a: { train: false }, b: { from: 'a', train: { epochs: 1 }, plugins: [['lora', {}]] } } }],
    [{ env: { fast: { train: { epochs: 1 }, stages: { a: { train: false } } } }, extends: ['./a.json'] }],
    [{ backend: 'onnx', gates: { accuracy: '>= 0.9' }, train: { optimizer: { name: 'sgd', momentum: 0.9 } } }],
    [{ train: { lrScheduler: { name: 'plateau', patience: 2 }, evalSteps: 100, maxTokensPerBatch: 4096 } }],
    [{ train: { parameterGroups: [{ params: ['*.bias', 'x'], weightDecay: 0 }], gradientCheckpointing: true } }],
  ])('%j', (config) => {
    expect(validate(config), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe('configs that are not valid', () => {
  it.each([
    [{ plugin: [] }],
    [{ plugins: [['lora', { rank: 4 }]] }],
    [{ plugins: [['lora', { r: 0 }]] }],
    [{ plugins: [['lora#encoder', { r: 0 }]] }],
    [{ plugins: [['lora#encoder', { rank: 1 }]] }],
    [{ plugins: [7] }],
    [{ plugins: [[['lora', { r: 'x' }]]] }],
    [{ plugins: [['forest', { name: 'a', children: [{}] }]] }],
    [{ stages: { a: { train: true } } }],
    [{ stages: { a: { train: { epoch: 1 } } } }],
    [{ stages: { '1': {} } }],
    [{ env: { fast: { stages: { a: { plugins: [['lora', { r: 0 }]] } } } } }],
    [{ env: { fast: { env: {} } } }],
    [{ backend: 3 }],
    [{ train: { optimizer: {} } }],
    [{ train: { lrScheduler: { name: 'cosine' } } }],
    [{ train: { parameterGroups: [{ learningRate: 1 }] } }],
  ])('%j', (config) => {
    expect(validate(config)).toBe(false);
  });
});

it('has descriptions and defaults for editors', () => {
  expect(schema).toMatchObject({
    properties: {
      seed: { default: 0, type: 'integer' },
      outDir: { default: 'dist' },
      train: { properties: { learningRate: { default: 5e-4, description: 'Learning rate at its highest.' } } },
    },
    definitions: { lora: { properties: { r: { description: 'Rank of the update.', default: 8 } } } },
  });
});

it('says when a library has no JSON Schema', () => {
  expect(schema['definitions']).toMatchObject({
    plain: { $comment: 'plain has no JSON Schema of the options of plain' },
  });
});

it('is JSON and works without plugins', async () => {
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  const bare = new Ajv({ strict: false }).compile(await configJsonSchema([]));
  expect(bare({ plugins: ['lora', ['lora', { r: 'x' }]] })).toBe(true);
  expect(bare({ plugins: [3] })).toBe(false);
});
