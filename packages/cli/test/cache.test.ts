import { beforeEach, expect, it, vi } from 'vitest';

import { main } from '../src/main.ts';
import { fakeIo, fakeServices } from './fakes.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-01-01T01:00:00Z'), toFake: ['Date'] });
  return () => vi.useRealTimers();
});

async function cache(...argv: readonly string[]) {
  const io = fakeIo();
  const { services, calls } = fakeServices();
  const code = await main(['cache', ...argv], io, services);
  return { code, out: io.stdout.text(), err: io.stderr.text(), calls };
}

it('ls shows what takes space', async () => {
  const { code, out } = await cache('ls');
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "  stage  phase          size        took           used  key
      main   train       1.50 GB  1 min 15 s  1 min 0 s ago  bbbbbbbbbbbb  in use
      –      checkpoint  3.00 MB              1 h 0 min ago  cccccccccccc

    2 entries, 1.50 GB of at most 20.0 GB
    "
  `);
  expect(JSON.parse((await cache('ls', '--json')).out)).toMatchObject([{ phase: 'train' }, { phase: 'checkpoint' }]);
});

it('explain names the inputs that changed', async () => {
  const { code, out, calls } = await cache('explain');
  expect(code).toBe(0);
  expect(calls.at(-2)).toEqual(['explain', {}]);
  expect(out.replace(/since .* changed/, 'since N changed')).toMatchInlineSnapshot(`
    "main data  cached  cccccccccccc
    main train  would run  bbbbbbbbbbbb
      since N changed:
      train.epochs: 2 → 3 (anneal.config.ts)
    "
  `);
  expect(JSON.parse((await cache('explain', '--json')).out)).toHaveLength(2);
});

it.each([
  ['train', { phase: 'train' }],
  ['base', { stage: 'base' }],
  ['base/train', { stage: 'base', phase: 'train' }],
])('explain takes %s', async (place, wanted) => {
  expect((await cache('explain', place)).calls.at(-2)).toEqual(['explain', wanted]);
});

it('gc and clear say what they removed', async () => {
  const { code, out, calls } = await cache('gc');
  expect(code).toBe(0);
  expect(out).toBe('removed 1 (3.00 MB), kept 1 (1.50 GB); a build at work keeps what it may need\n');
  expect(calls.at(-1)).toEqual(['remove', 20e9]);
  expect((await cache('gc', '--max-size', '5GB')).calls.at(-1)).toEqual(['remove', 5e9]);
  expect((await cache('clear')).calls.at(-1)).toEqual(['remove', 0]);
  expect(JSON.parse((await cache('clear', '--json')).out)).toMatchObject({ removed: [{}], kept: [{}] });
});

it.each([
  [['lss'], 'nothing called `lss` can be done with the cache, did you mean `ls`?'],
  [['explain', 'base/trian'], '`trian` is no phase'],
  [[], '`anneal cache` needs <what>'],
  [['gc', '--max-size', 'much'], 'cache.maxSize'],
])('%j is refused', async (argv, message) => {
  const { code, err } = await cache(...argv);
  expect([code, err.includes(message)]).toEqual([2, true]);
});
