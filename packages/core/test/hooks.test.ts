import { AnnealError, type PhaseContext } from '@anneal/core';
import { GraphError, type Value } from '@anneal/graph';
import { describe, expect, it, vi } from 'vitest';

import { HookRegistry } from '../src/hooks/create.ts';
import { failure } from './tiny/build.ts';

const ctx = { stage: 'main' } as PhaseContext;
const as = <T>(value: unknown): T => value as T;
const later = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, ms, value));
const thrown = (call: () => unknown): AnnealError => {
  try {
    call();
  } catch (error) {
    return error as AnnealError;
  }
  throw new Error('nothing was thrown');
};

describe('kinds', () => {
  it('resolve: the first answer wins, and nobody after it is asked', async () => {
    const registry = new HookRegistry();
    const { resolveDataset } = registry.scoped('a').data;
    const last = vi.fn(() => as<never>('third'));
    resolveDataset.tap(() => undefined);
    resolveDataset.tap(async () => later(5, as<never>('second')));
    resolveDataset.tap(last);
    expect(await registry.hooks.data.resolveDataset.promise(ctx)).toBe('second');
    expect(last).not.toHaveBeenCalled();
  });

  it('should: the first boolean wins, false as well', () => {
    const registry = new HookRegistry();
    const { shouldTrain } = registry.scoped('a').train;
    shouldTrain.tap((name) => (name === 'w' ? undefined : true));
    shouldTrain.tap((name) => (name === 'w' ? false : undefined));
    shouldTrain.tap(() => true);
    const { shouldTrain: ask } = registry.hooks.train;
    expect(ask.call('w', as({}), as(ctx))).toBe(false);
    expect(ask.call('v', as({}), as(ctx))).toBe(true);
  });

  it('transform: undefined keeps what there is, anything else replaces it', async () => {
    const registry = new HookRegistry();
    const { model, train } = registry.scoped('a');
    model.transformModel.tap((value) => as<never>(`${as<string>(value)}1`));
    model.transformModel.tap(() => undefined);
    model.transformModel.tap(async (value, { stage }) => later(1, as<never>(`${as<string>(value)}2${stage}`)));
    expect(await registry.hooks.model.transformModel.promise(as('m'), as(ctx))).toBe('m12main');
    train.transformLoss.tap(() => undefined);
    train.transformLoss.tap((value) => as<Value>(`${as<string>(value)}!`));
    expect(registry.hooks.train.transformLoss.call(as('l'), as(ctx))).toBe('l!');
  });

  it('before and after: one after the other', async () => {
    const registry = new HookRegistry();
    const seen: string[] = [];
    registry.scoped('a').model.afterModel.tap(async () => void seen.push(await later(10, 'a')));
    registry.scoped('b').model.afterModel.tap(() => void seen.push('b'));
    await registry.hooks.model.afterModel.promise(as({}), as(ctx));
    expect(seen).toEqual(['a', 'b']);
  });

  it('on: all, at once', () => {
    const registry = new HookRegistry();
    const seen: unknown[] = [];
    for (const name of ['a', 'b'])
      registry.scoped(name).train.onStep.tap((point) => void seen.push([name, point.step]));
    registry.hooks.train.onStep.call(as({ step: 3 }), as(ctx));
    expect(seen).toEqual([
      ['a', 3],
      ['b', 3],
    ]);
  });

  it('audit: side by side', async () => {
    const registry = new HookRegistry();
    const seen: string[] = [];
    registry.scoped('a').evaluate.auditModel.tap(async (_, report) => {
      await later(20, undefined);
      seen.push('a');
      report('a', as({}));
    });
    registry.scoped('b').evaluate.auditModel.tap(() => void seen.push('b'));
    const sections: string[] = [];
    await registry.hooks.evaluate.auditModel.promise(as(ctx), (name) => sections.push(name));
    expect(seen).toEqual(['b', 'a']);
    expect(sections).toEqual(['a']);
  });

  it('audit: waits for all before it fails, and tells of all that failed', async () => {
    const registry = new HookRegistry();
    const ended: string[] = [];
    registry.scoped('a').evaluate.auditModel.tap(async () => void ended.push(await later(20, 'a')));
    registry.scoped('b').evaluate.auditModel.tap(() => Promise.reject(new Error('first')));
    registry.scoped('c').evaluate.auditModel.tap(async () => {
      await later(5, undefined);
      throw new AnnealError('ANNEAL_E_DATA', 'second', { fix: 'mend it' });
    });
    const error = await failure(registry.hooks.evaluate.auditModel.promise(as(ctx), () => undefined));
    expect(ended).toEqual(['a']);
    expect(error).toMatchObject({ code: 'ANNEAL_E_HOOK', plugin: 'b', hook: 'evaluate.auditModel' });
    expect(error.also).toMatchObject([{ code: 'ANNEAL_E_DATA', plugin: 'c', fix: 'mend it' }]);
    // The failures of one call are not those of the next.
    registry.hooks.evaluate.auditModel.promise(as(ctx), () => undefined).catch(() => undefined);
    const again = await failure(registry.hooks.evaluate.auditModel.promise(as(ctx), () => undefined));
    expect(again.also).toHaveLength(1);
  });

  it.each(['data.resolveDataset', 'model.transformModel', 'train.shouldTrain', 'train.transformLoss', 'emit.emit'])(
    '%s works without taps',
    async (name) => {
      const [group, hook] = name.split('.') as [string, string];
      const raw = as<Record<string, Record<string, { call?: Function; promise?: Function }>>>(new HookRegistry().hooks)[
        group
      ]![hook]!;
      const value = { value: 1 };
      const result = /should|Loss/.test(hook) ? raw.call!(value, ctx) : await raw.promise!(value, ctx);
      expect(result).toBe(/transform/.test(hook) ? value : undefined);
    },
  );
});

describe('order', () => {
  it('is by stage, then as tapped, for every hook by itself', async () => {
    const registry = new HookRegistry();
    const seen: string[] = [];
    const tap = (plugin: string, stage?: number): void => {
      const { compress, emit } = registry.scoped(plugin);
      compress.transformModel.tap(() => void seen.push(plugin), { stage });
      emit.emit.tap(() => undefined, { stage: stage === undefined ? undefined : -stage });
    };
    tap('c', 400);
    tap('b');
    tap('a', -2000);
    tap('d', 400);
    tap('e', 0);
    await registry.hooks.compress.transformModel.promise(as({}), as(ctx));
    expect(seen).toEqual(['a', 'b', 'e', 'c', 'd']);
    const listed = registry.taps().map(({ hook, plugin }) => `${hook} ${plugin}`);
    expect(listed).toEqual([
      ...seen.map((plugin) => `compress.transformModel ${plugin}`),
      ...['c', 'd', 'b', 'e', 'a'].map((plugin) => `emit.emit ${plugin}`),
    ]);
  });

  it('is listed with kinds', () => {
    const registry = new HookRegistry();
    registry.scoped('p').train.shouldStop.tap(() => true, { stage: 7 });
    expect(registry.taps()).toEqual([{ hook: 'train.shouldStop', kind: 'sync-bail', plugin: 'p', order: 7 }]);
    expect(registry.groupsOf('p')).toEqual(new Set(['train']));
    expect(registry.groupsOf('q')).toEqual(new Set());
  });
});

describe('attribution', () => {
  const raised = (error: unknown): AnnealError => {
    const registry = new HookRegistry();
    registry.scoped('guilty').train.transformLoss.tap(() => {
      throw error;
    });
    return thrown(() => registry.hooks.train.transformLoss.call(as({}), as(ctx)));
  };

  it('names plugin and hook, and keeps the cause', () => {
    const cause = new TypeError('x is not a function');
    expect(raised(cause)).toMatchObject({
      code: 'ANNEAL_E_HOOK',
      plugin: 'guilty',
      hook: 'train.transformLoss',
      message: 'threw in train.transformLoss: x is not a function',
      cause,
    });
  });

  it('holds for what is no error', () => {
    expect(raised('just text')).toMatchObject({ code: 'ANNEAL_E_HOOK', message: expect.stringContaining('just text') });
    expect(raised(undefined)).toMatchObject({ code: 'ANNEAL_E_HOOK', message: expect.stringContaining('undefined') });
  });

  it('keeps code, fix, path, file and companions of a coded error', () => {
    const other = new AnnealError('ANNEAL_E_DATA', 'other');
    const error = new AnnealError('ANNEAL_E_NO_TARGET', 'no layer', {
      fix: 'name one',
      path: ['plugins', 0],
      file: 'f.ts',
      also: [other],
    });
    expect(raised(error)).toMatchObject({
      code: 'ANNEAL_E_NO_TARGET',
      message: 'no layer',
      fix: 'name one',
      path: ['plugins', 0],
      file: 'f.ts',
      also: [other],
      plugin: 'guilty',
      hook: 'train.transformLoss',
      cause: error,
    });
  });

  it('adds the hook to an error that has the plugin already, and leaves that of another plugin', () => {
    const own = new AnnealError('ANNEAL_E_SHAPE', 'm', { plugin: 'guilty' });
    expect(raised(own)).toMatchObject({ plugin: 'guilty', hook: 'train.transformLoss' });
    const foreign = new AnnealError('ANNEAL_E_SHAPE', 'm', { plugin: 'inner' });
    expect(raised(foreign)).toBe(foreign);
  });

  it('goes to the innermost tap', async () => {
    const registry = new HookRegistry();
    registry.scoped('inner').data.transformSample.tap(() => {
      throw new Error('deep');
    });
    registry.scoped('outer').model.afterModel.tap(() => {
      registry.hooks.data.transformSample.call(as({}), as(ctx));
    });
    const error = await failure(registry.hooks.model.afterModel.promise(as({}), as(ctx)));
    expect(error).toMatchObject({ plugin: 'inner', hook: 'data.transformSample' });
  });

  it('names the plugin of a graph error', () => {
    const error = new GraphError('ANNEAL_E_SHAPE', 'Add: shapes differ', { fix: 'reshape' });
    expect(raised(error)).toMatchObject({ code: 'ANNEAL_E_SHAPE', plugin: 'guilty', fix: 'reshape', cause: error });
  });

  it('leaves an abort alone', () => {
    const error = new AnnealError('ANNEAL_E_ABORTED', 'stopped');
    expect(raised(error)).toBe(error);
  });

  it('holds for asynchronous taps, and counts calls and time', async () => {
    const registry = new HookRegistry();
    registry.scoped('slow').emit.emit.tap(async () => {
      await later(15, undefined);
      throw new Error('late');
    });
    const error = await failure(registry.hooks.emit.emit.promise(as(ctx)));
    expect(error).toMatchObject({ code: 'ANNEAL_E_HOOK', plugin: 'slow', hook: 'emit.emit' });
    expect(registry.timings).toMatchObject([{ plugin: 'slow', hook: 'emit.emit', calls: 1 }]);
    expect(registry.timings[0]!.ms).toBeGreaterThan(5);
  });
});

describe('an asynchronous tap on a synchronous hook', () => {
  it.each(['resolves', 'rejects'])('is an error when it %s, and nothing else', async (how) => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const registry = new HookRegistry();
      registry.scoped('p').train.transformTargets.tap(
        as(async () => {
          if (how === 'rejects') throw new Error('lost');
        }),
      );
      const error = thrown(() => registry.hooks.train.transformTargets.call(as({}), as(ctx)));
      expect(error).toMatchObject({
        code: 'ANNEAL_E_ASYNC_TAP',
        plugin: 'p',
        hook: 'train.transformTargets',
        fix: expect.stringContaining('`train.before…`'),
      });
      await later(5, undefined);
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });
});

describe('a frozen registry', () => {
  it('takes no tap, and says whose it was', () => {
    const registry = new HookRegistry();
    const hooks = registry.scoped('late');
    registry.freeze();
    expect(thrown(() => hooks.train.onStep.tap(() => undefined))).toMatchObject({
      code: 'ANNEAL_E_FROZEN',
      plugin: 'late',
      hook: 'train.onStep',
      fix: expect.stringContaining('inside `setup`'),
    });
    expect(registry.taps()).toEqual([]);
  });
});
