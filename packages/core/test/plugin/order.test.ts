import { definePlugin, type Plugin } from '@anneal/core';
import { seededRandom } from '@anneal/testkit';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { orderPlugins } from '../../src/plugin/order.ts';

type Order = { enforce?: 'pre' | 'post'; before?: string[]; after?: string[] };
const plugin = (name: string, order: Order = {}): Plugin =>
  definePlugin({ name, options: v.strictObject({}), setup: () => undefined, ...order })();
const names = (plugins: readonly Plugin[]): string =>
  orderPlugins(plugins)
    .map(({ name }) => name)
    .join(' ');

describe('the order of plugins', () => {
  it('is as listed', () => {
    expect(names(['c', 'a', 'b'].map((name) => plugin(name)))).toBe('c a b');
    expect(names([])).toBe('');
  });

  it('begins with pre and ends with post', () => {
    const listed = [plugin('z', { enforce: 'post' }), plugin('b'), plugin('a', { enforce: 'pre' }), plugin('c')];
    expect(names(listed)).toBe('a b c z');
  });

  it('follows before and after, also through several plugins', () => {
    expect(names([plugin('a', { after: ['c'] }), plugin('b'), plugin('c')])).toBe('c a b');
    expect(names([plugin('a'), plugin('b'), plugin('c', { before: ['a'] })])).toBe('c a b');
    expect(names([plugin('a', { after: ['b'] }), plugin('b', { after: ['c'] }), plugin('c')])).toBe('c b a');
  });

  it('does not mind plugins that are not there', () => {
    expect(names([plugin('a', { after: ['x'], before: ['y'] }), plugin('b')])).toBe('a b');
  });

  it('lets a declared order win over enforce', () => {
    expect(names([plugin('late', { enforce: 'post', before: ['first'] }), plugin('first', { enforce: 'pre' })])).toBe(
      'late first',
    );
  });

  it('satisfies all constraints that can be satisfied', () => {
    const next = seededRandom(2);
    for (let round = 0; round < 100; round++) {
      // Constraints along a hidden order have no cycle.
      const hidden = Array.from({ length: 8 }, (_, i) => ({ name: `p${i}`, at: next() })).toSorted(
        (a, b) => a.at - b.at,
      );
      const orders = new Map(hidden.map(({ name }) => [name, { before: [] as string[], after: [] as string[] }]));
      for (let pair = 0; pair < 6; pair++) {
        const [i, j] = [Math.floor(next() * 8), Math.floor(next() * 8)].toSorted((a, b) => a - b) as [number, number];
        if (i === j) continue;
        if (next() < 0.5) orders.get(hidden[i]!.name)!.before.push(hidden[j]!.name);
        else orders.get(hidden[j]!.name)!.after.push(hidden[i]!.name);
      }
      const listed = Array.from({ length: 8 }, (_, i) => plugin(`p${i}`, orders.get(`p${i}`)));
      const found = names(listed).split(' ');
      expect(found.toSorted()).toEqual(listed.map(({ name }) => name).toSorted());
      for (const [name, { before, after }] of orders) {
        for (const other of before) expect(found.indexOf(name)).toBeLessThan(found.indexOf(other));
        for (const other of after) expect(found.indexOf(name)).toBeGreaterThan(found.indexOf(other));
      }
    }
  });

  it.each([
    [[plugin('a', { after: ['b'] }), plugin('b', { after: ['a'] })], 'a → b → a'],
    [
      [plugin('x'), plugin('a', { after: ['c'] }), plugin('b', { after: ['a'] }), plugin('c', { after: ['b'] })],
      'a → c → b → a',
    ],
    [
      [plugin('x', { after: ['a'] }), plugin('a', { after: ['b'] }), plugin('b', { before: ['a'], after: ['a'] })],
      'a → b → a',
    ],
    [[plugin('a', { before: ['a'] })], 'a → a'],
  ])('tells a cycle by its path', (plugins, path) => {
    expect(() => names(plugins)).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_PLUGIN', message: `the order of plugins has a cycle: ${path}` }),
    );
  });

  it('refuses two of one name', () => {
    expect(() => names([plugin('a'), plugin('b'), plugin('a')])).toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_PLUGIN',
        plugin: 'a',
        message: 'the plugin `a` is listed twice',
        fix: 'remove one, or merge their options',
      }),
    );
  });
});
