import { definePlugin, type OptionSchema } from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { problems, right } from './problems.ts';

const JSON_TEST = 'takes options from JSON';

describe('finds a plugin that', () => {
  it('does not say what its options are', async () => {
    const bare = definePlugin({
      name: 'bare',
      options: v.strictObject({
        depth: v.optional(v.number()),
        nested: v.optional(v.pipe(v.strictObject({ inner: v.optional(v.string()) }), v.description('A group.'))),
      }),
      setup: () => undefined,
    });
    expect(await problems(bare, {})).toEqual({
      'describes every option': 'without a description in the schema: `depth`, `nested.inner`',
    });
  });

  it('has a schema that editors cannot read', async () => {
    const opaque: OptionSchema<object, object> = {
      '~standard': { version: 1, vendor: 'mine', validate: (value) => ({ value: value as object }) },
    };
    const found = await problems(definePlugin({ name: 'opaque', options: opaque, setup: () => undefined }), {});
    expect(found['describes every option']).toMatch(/^mine has no JSON Schema of the options of opaque/);
    expect(found['refuses options that it does not have']).toMatch(/^`noSuchOption` was accepted/);
  });

  it('does not name an option in its README', async () => {
    const readme = new URL('./fixtures/README.md', import.meta.url);
    expect(await problems(right, { readme })).toEqual({});
    const hidden = definePlugin({
      name: 'hidden',
      options: v.strictObject({ secret: v.optional(v.pipe(v.number(), v.description('A number.'))) }),
      setup: () => undefined,
    });
    expect(await problems(hidden, { readme })).toEqual({
      'names every option in its README': 'the README does not name `secret`',
    });
  });

  it('takes options that JSON cannot hold', async () => {
    const functional = definePlugin({
      name: 'functional',
      options: v.strictObject({ fn: v.optional(v.pipe(v.any(), v.description('A function.'))) }),
      setup: () => undefined,
    });
    const found = await problems(functional, { valid: [{ name: 'build', options: { fn: () => 1 } }] }, JSON_TEST);
    expect(found[JSON_TEST]).toBe('"build" has options that JSON cannot hold');
  });

  it('has a name that nobody could write', async () => {
    const odd = definePlugin({ name: 'My Plugin', options: v.strictObject({}), setup: () => undefined });
    expect((await problems(odd, {}))['has a name in kebab-case']).toBe('"My Plugin" is not in kebab-case');
  });
});
