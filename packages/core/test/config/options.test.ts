import { definePlugin, type OptionSchema, validateOptions } from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

import { failure, told } from './project.ts';

const check = (schema: unknown, options: unknown): Promise<unknown> =>
  validateOptions(
    definePlugin<object, unknown>({ name: 'lora', options: schema as OptionSchema<object>, setup() {} })(
      options as object,
    ),
  );

const valibot = v.strictObject({
  rank: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 8),
  alpha: v.optional(v.number()),
  init: v.optional(v.picklist(['kaiming', 'zero']), 'kaiming'),
  targets: v.union([v.string(), v.array(v.string())]),
  layers: v.optional(v.array(v.strictObject({ name: v.string(), scale: v.optional(v.number()) }))),
});
const zod = z.strictObject({
  rank: z.number().int().min(1).default(8),
  alpha: z.number().optional(),
  init: z.enum(['kaiming', 'zero']).default('kaiming'),
  targets: z.union([z.string(), z.array(z.string())]),
  layers: z.array(z.strictObject({ name: z.string(), scale: z.number().optional() })).optional(),
});

/** Rejects unknown keys one by one, and has nothing but the standard interface. */
const bare = {
  '~standard': {
    version: 1,
    vendor: 'bare',
    validate(value: Readonly<Record<string, unknown>>) {
      const unknown = Object.keys(value).find((key) => key !== 'rank' && key !== 'alpha');
      if (unknown !== undefined)
        return { issues: [{ message: `${unknown} must be removed`, path: [{ key: unknown }] }] };
      return { value: { rank: 8, alpha: 16, ...value } };
    },
  },
};

describe.each([
  ['valibot', valibot],
  ['zod', zod],
])('%s', (_, schema) => {
  it('gives the completed options', async () => {
    expect(await check(schema, { targets: 'q' })).toEqual({ rank: 8, init: 'kaiming', targets: 'q' });
  });

  it('finds every unknown key at every depth, with the near name', async () => {
    const error = await failure(
      check(schema, { targets: 'q', rnak: 1, alhpa: 2, layers: [{ name: 'a', sclae: 1 }], zebra: 1 }),
    );
    expect(new Set(told(error))).toEqual(
      new Set([
        'ANNEAL_E_OPTIONS at rnak: unknown option `rnak`, did you mean `rank`?',
        'ANNEAL_E_OPTIONS at alhpa: unknown option `alhpa`, did you mean `alpha`?',
        'ANNEAL_E_OPTIONS at layers.0.sclae: unknown option `sclae` in `layers[0]`, did you mean `scale`?',
        'ANNEAL_E_OPTIONS at zebra: unknown option `zebra`',
      ]),
    );
    const fixes = [error, ...error.also].map(({ fix }) => fix);
    expect(fixes).toContain('use `rank`');
    expect(fixes).toContain('use one of: alpha, init, layers, rank, targets');
  });

  it('says what was received, for every problem at once', async () => {
    const error = await failure(check(schema, { rank: 0, targets: 5, init: 'kaimng' }));
    const messages = [error, ...error.also].map(({ message }) => message);
    expect(messages).toHaveLength(3);
    for (const [name, value] of [
      ['rank', '0'],
      ['targets', '5'],
      ['init', '"kaimng"'],
    ] as const) {
      const message = messages.find((text) => text.includes(`option \`${name}\``));
      expect(message).toMatch(new RegExp(`received ${value}$`));
    }
    expect(error.plugin).toBe('lora');
  });

  it('says what is missing', async () => {
    const { message, path, also } = await failure(check(schema, {}));
    expect({ path, also }).toEqual({ path: ['targets'], also: [] });
    expect(message).toMatch(/^option `targets` (is missing|.*received undefined)/);
  });
});

it('words the default texts of valibot', async () => {
  expect(told(await failure(check(valibot, { rank: 0.5, targets: 5, init: 'kaimng', alpha: '1' })))).toEqual([
    'ANNEAL_E_OPTIONS at rank: option `rank` is not a valid integer, received 0.5',
    'ANNEAL_E_OPTIONS at rank: option `rank` must be >=1, received 0.5',
    'ANNEAL_E_OPTIONS at alpha: option `alpha` must be number, received "1"',
    'ANNEAL_E_OPTIONS at init: option `init` must be ("kaiming" | "zero"), received "kaimng"',
    'ANNEAL_E_OPTIONS at targets: option `targets` must be (string | Array), received 5',
  ]);
  expect(
    told(
      await failure(
        check(
          v.strictObject({
            a: v.pipe(
              v.number(),
              v.check((n) => n > 1),
            ),
          }),
          { a: 1 },
        ),
      ),
    ),
  ).toEqual(['ANNEAL_E_OPTIONS at a: option `a` is not valid, received 1']);
  expect(told(await failure(check(valibot, 'q')))).toEqual([
    'ANNEAL_E_OPTIONS at : the options must be Object, received "q"',
  ]);
});

it('keeps the words of a plugin author', async () => {
  const own = v.strictObject({
    a: v.pipe(v.number('a must be even'), v.minValue(2, 'must be at least 2')),
    b: v.optional(v.string()),
  });
  expect(told(await failure(check(own, { a: 'x' })))).toEqual([
    'ANNEAL_E_OPTIONS at a: option `a`: a must be even, received "x"',
  ]);
  expect(told(await failure(check(own, { a: 1 })))).toEqual([
    'ANNEAL_E_OPTIONS at a: option `a` must be at least 2, received 1',
  ]);
});

it('learns the keys of a schema that only validates', async () => {
  expect(told(await failure(check(bare, { alhpa: 1, rnak: 2 })))).toEqual([
    'ANNEAL_E_OPTIONS at alhpa: unknown option `alhpa`, did you mean `alpha`?',
    'ANNEAL_E_OPTIONS at rnak: unknown option `rnak`, did you mean `rank`?',
  ]);
});

it('does not loop for a schema that never accepts', async () => {
  const never = {
    '~standard': { version: 1, vendor: 'x', validate: () => ({ issues: [{ message: 'unknown key', path: ['a'] }] }) },
  };
  expect(told(await failure(check(never, { a: 1 })))).toHaveLength(2);
});

it.each([
  [undefined, 'has no option schema that follows Standard Schema'],
  [{ parse() {} }, 'has no option schema that follows Standard Schema'],
  [
    {
      '~standard': {
        validate: () => {
          throw new Error('x');
        },
      },
    },
    'the option schema threw instead of reporting issues',
  ],
])('refuses what is not a schema', async (schema, message) => {
  expect(told(await failure(check(schema, {})))).toEqual([`ANNEAL_E_PLUGIN at -: ${message}`]);
});
