import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { throwAll } from '../errors/throw-all.ts';
import { baseName } from '../plugin/instance.ts';
import type { Deprecation } from '../plugin/types.ts';
import { attributed, asyncTap, isThenable } from './attribute.ts';
import { type CallableGroup, type CallableHooks, type HookDeclarations, HOOKS, KINDS } from './kinds.ts';
import { type AnyFunction, ARGS, makeHook, type RawHook, SYNCHRONOUS } from './make.ts';
import type { HookKind, Hooks, Scoped, ScopedGroup, TapOptions } from './types.ts';

export type { CallableHooks } from './kinds.ts';

/** A tap as it was registered. */
export interface Tap {
  /** `train.transformLoss`; of a plugin's own hooks `prune.shouldPrune`. */
  readonly hook: string;
  readonly kind: HookKind;
  readonly plugin: string;
  /** The stage number that it asked for. */
  readonly order: number;
}

/** Time and calls of one plugin in one hook. */
export interface TapTiming {
  readonly plugin: string;
  readonly hook: string;
  calls: number;
  /** What it awaited included. */
  ms: number;
  /** The longest call. */
  maxMs: number;
}

/** One call of a tap. Times are those of `performance.now()`. */
export interface TapCall {
  /** Who tapped. */
  readonly plugin: string;
  /** `train.transformLoss`. */
  readonly hook: string;
  /** When it began, as `performance.now()` tells. */
  readonly start: number;
  /** How long it took. */
  readonly ms: number;
  /** Whether others ran in between. */
  readonly isAsync: boolean;
}

/** What a plugin wants of hooks that another one has, maybe later. */
interface Wanted {
  readonly plugin: string;
  /** `prune` means all instances, `prune#encoder` one. */
  readonly owner: string;
  readonly optional: boolean;
  readonly taps: { readonly hook: string; readonly fn: AnyFunction; readonly options: TapOptions }[];
}

interface OwnHook {
  readonly kind: HookKind;
  readonly raw: RawHook;
  readonly deprecated: Deprecation | undefined;
}

/** A declaration of a hook, of whatever type. */
type Declared = HookKind | { readonly kind: HookKind; readonly deprecated: Deprecation };

/** Tells that a plugin uses a hook that is on its way out. */
export type NoteDeprecated = (plugin: string, hook: string, deprecation: Deprecation) => void;

type AddTap = (hook: string, kind: HookKind, fn: AnyFunction, options: TapOptions) => void;

/** A hook of core as a plugin sees it. */
class ScopedHook {
  readonly #hook: string;
  readonly #kind: HookKind;
  readonly #add: AddTap;

  constructor(hook: string, kind: HookKind, add: AddTap) {
    this.#hook = hook;
    this.#kind = kind;
    this.#add = add;
  }

  tap(fn: AnyFunction, options: TapOptions = {}): void {
    this.#add(this.#hook, this.#kind, fn, options);
  }
}

function scopedGroup(group: keyof Hooks, add: AddTap): object {
  const hooks: Record<string, ScopedHook> = {};
  const kinds: Readonly<Record<string, HookKind>> = KINDS[group];
  for (const name of Object.keys(kinds)) hooks[name] = new ScopedHook(`${group}.${name}`, kinds[name] as HookKind, add);
  return hooks;
}

/** The hooks of one stage: tapable inside, a narrow typed face outside. */
export class HookRegistry {
  /** For the phases. */
  readonly hooks: CallableHooks;
  readonly timings: TapTiming[] = [];
  /** Hears every call of a tap, when there is somebody who listens. */
  onCall: ((call: TapCall) => void) | undefined;
  readonly #core = new Map<string, RawHook>();
  /** Hooks of plugins, by owner and name. */
  readonly #owned = new Map<string, ReadonlyMap<string, OwnHook>>();
  readonly #wanted: Wanted[] = [];
  readonly #taps: Tap[] = [];
  readonly #noteDeprecated: NoteDeprecated;
  #frozen = false;

  constructor(noteDeprecated: NoteDeprecated = () => undefined) {
    this.#noteDeprecated = noteDeprecated;
    const groups = Object.entries(KINDS).map(([group, kinds]) => {
      const hooks = Object.entries(kinds).map(([name, kind]) => {
        const hook = makeHook(kind as HookKind);
        this.#core.set(`${group}.${name}`, hook);
        return [name, hook];
      });
      return [group, Object.fromEntries(hooks)];
    });
    this.hooks = Object.fromEntries(groups) as CallableHooks;
  }

  /** The hooks as a plugin sees them: `tap` only, errors and timings attributed to it. */
  scoped(plugin: string): Scoped<Hooks> {
    const tap: AddTap = (hook, kind, fn, options) => {
      this.#refuseLate(plugin, hook);
      this.#tap(this.#core.get(hook) as RawHook, { plugin, hook, kind }, fn, options);
    };
    const groups = Object.keys(KINDS) as (keyof Hooks)[];
    const scoped: Partial<Record<keyof Hooks, unknown>> = {};
    // Most plugins tap one group or two: the others are not made, nor a function for each hook.
    for (const group of groups) {
      let made: unknown;
      Object.defineProperty(scoped, group, { enumerable: true, get: () => (made ??= scopedGroup(group, tap)) });
    }
    return scoped as Scoped<Hooks>;
  }

  /**
   * Gives a plugin hooks of its own, which others tap and it calls.
   *
   * @throws AnnealError `ANNEAL_E_PLUGIN` for hooks in the name of another plugin, and when it has some already.
   */
  provide<H>(plugin: string, name: string, declarations: HookDeclarations<H>): CallableGroup<H> {
    this.#refuseLate(plugin, name);
    const problem =
      name !== baseName(plugin)
        ? `hooks must have the name of their plugin, received \`${name}\``
        : Object.hasOwn(KINDS, name)
          ? `\`${name}\` is a group of core's own hooks`
          : this.#owned.has(plugin)
            ? 'declares its hooks twice'
            : undefined;
    if (problem !== undefined) {
      throw new AnnealError('ANNEAL_E_PLUGIN', problem, {
        plugin,
        fix: `call \`provideHooks("${baseName(plugin)}", …)\` once, with all hooks`,
      });
    }
    const own = new Map<string, OwnHook>();
    for (const [key, declared] of Object.entries(declarations as Readonly<Record<string, Declared>>)) {
      const { kind, deprecated } = typeof declared === 'string' ? { kind: declared, deprecated: undefined } : declared;
      own.set(key, { kind, deprecated, raw: makeHook(kind) });
    }
    this.#owned.set(plugin, own);
    return Object.fromEntries([...own].map(([key, { raw }]) => [key, raw])) as unknown as CallableGroup<H>;
  }

  /** Hooks of another plugin, which may be set up later: taps find them when all plugins are. */
  hooksOf<H>(plugin: string, owner: string, optional: boolean): ScopedGroup<H> {
    const wanted: Wanted = { plugin, owner, optional, taps: [] };
    this.#wanted.push(wanted);
    const tap =
      (hook: string) =>
      (fn: AnyFunction, options: TapOptions = {}) => {
        this.#refuseLate(plugin, `${owner}.${hook}`);
        wanted.taps.push({ hook, fn, options });
      };
    return new Proxy({}, { get: (_, hook) => ({ tap: tap(String(hook)) }) }) as ScopedGroup<H>;
  }

  /**
   * No tap after this: plugins that tap from inside a hook would miss calls silently.
   *
   * @throws AnnealError `ANNEAL_E_REQUIRES` for hooks of a plugin that is not there, or that it does not have.
   */
  freeze(): void {
    this.#frozen = true;
    throwAll(this.#wanted.flatMap((wanted) => this.#connect(wanted)));
  }

  /** Every tap: hooks as they first come in a run, then those of plugins; the taps of each in the order in which they run. */
  taps(): readonly Tap[] {
    const own = [...this.#owned].flatMap(([owner, hooks]) => [...hooks.keys()].map((hook) => `${owner}.${hook}`));
    return [...HOOKS, ...own].flatMap((hook) =>
      this.#taps.filter((tap) => tap.hook === hook).toSorted((a, b) => a.order - b.order),
    );
  }

  /** Groups of core's hooks that a plugin taps. Who taps the hooks of another plugin takes part where that one does. */
  groupsOf(plugin: string, through: ReadonlySet<string> = new Set()): ReadonlySet<string> {
    const groups = new Set<string>();
    for (const { hook, plugin: by } of this.#taps) {
      if (by !== plugin) continue;
      const group = hook.slice(0, hook.lastIndexOf('.'));
      if (!this.#owned.has(group)) groups.add(group);
      else if (!through.has(group)) {
        for (const theirs of this.groupsOf(group, new Set([...through, plugin]))) groups.add(theirs);
      }
    }
    return groups;
  }

  /** Connects taps with the hooks that are there now; what is missing is returned. */
  #connect({ plugin, owner, optional, taps }: Wanted): readonly AnnealError[] {
    const owners = [...this.#owned.keys()].filter((name) => name === owner || baseName(name) === owner);
    if (owners.length === 0) return optional || taps.length === 0 ? [] : [this.#noOwner(plugin, owner)];
    const errors: AnnealError[] = [];
    for (const { hook, fn, options } of taps) {
      for (const name of owners) {
        const own = this.#owned.get(name) as ReadonlyMap<string, OwnHook>;
        const found = own.get(hook);
        if (found === undefined) {
          errors.push(noHook(plugin, name, hook, [...own.keys()]));
          continue;
        }
        const tap = { plugin, hook: `${name}.${hook}`, kind: found.kind };
        if (found.deprecated !== undefined) this.#noteDeprecated(plugin, tap.hook, found.deprecated);
        this.#tap(found.raw, tap, fn, options);
      }
    }
    return errors;
  }

  #noOwner(plugin: string, owner: string): AnnealError {
    const near = suggest(owner, this.#owned.keys());
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    return new AnnealError('ANNEAL_E_REQUIRES', `taps hooks of \`${owner}\`, which this stage does not have${hint}`, {
      plugin,
      fix: `add the plugin \`${owner}\` to the stage`,
    });
  }

  #refuseLate(plugin: string, hook: string): void {
    if (!this.#frozen) return;
    throw new AnnealError('ANNEAL_E_FROZEN', `\`${hook}\` was tapped after setup`, {
      plugin,
      hook,
      fix: 'tap inside `setup`, and decide in the tap whether to act',
    });
  }

  #tap(raw: RawHook, what: Omit<Tap, 'order'>, fn: AnyFunction, { stage = 0 }: TapOptions): void {
    const { plugin, hook, kind } = what;
    const timing: TapTiming = { plugin, hook, calls: 0, ms: 0, maxMs: 0 };
    this.timings.push(timing);
    this.#taps.push({ ...what, order: stage });
    const options = { name: plugin, stage };
    const isAsync = !SYNCHRONOUS.has(kind);
    const done = (start: number): void => {
      const ms = performance.now() - start;
      timing.calls++;
      timing.ms += ms;
      if (ms > timing.maxMs) timing.maxMs = ms;
      this.onCall?.({ plugin, hook, start, ms, isAsync });
    };
    if (!isAsync) {
      raw.tap(options, (...args) => {
        const start = performance.now();
        let result: unknown;
        try {
          result = fn(...args);
        } catch (error) {
          throw attributed(error, plugin, hook);
        } finally {
          done(start);
        }
        if (isThenable(result)) {
          // Nobody waits for it: should it reject, that must not end the process before the error below is told.
          result.then(undefined, () => undefined);
          throw asyncTap(plugin, hook);
        }
        return result;
      });
      return;
    }
    raw.tapPromise?.(options, async (...args) => {
      const start = performance.now();
      try {
        return await fn(...args.slice(0, ARGS.length));
      } catch (error) {
        const failure = attributed(error, plugin, hook);
        if (kind !== 'parallel') throw failure;
        (args[ARGS.length] as AnnealError[]).push(failure);
        return undefined;
      } finally {
        done(start);
      }
    });
  }
}

function noHook(plugin: string, owner: string, hook: string, hooks: readonly string[]): AnnealError {
  const near = suggest(hook, hooks);
  const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
  return new AnnealError('ANNEAL_E_REQUIRES', `\`${owner}\` has no hook \`${hook}\`${hint}`, {
    plugin,
    fix: `use one of: ${hooks.join(', ')}`,
  });
}
