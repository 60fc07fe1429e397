import { AnnealError } from '@anneal/core';

/** Whether a module path ends with one of the names, at a dot: PEFT's rule for lists. */
export function endsWithAny(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

/** Whether a module, or one that it is part of, ends with one of the names: PEFT's rule for modules to save. */
export function isBelowAny(path: string, names: readonly string[]): boolean {
  const parts = path.split('.');
  return parts.some((_, i) => endsWithAny(parts.slice(0, i + 1).join('.'), names));
}

export type Matcher = (path: string) => boolean;

/** Names and paths that need no regular expression. */
const PLAIN = /^[\w.-]+$/;

/**
 * Matches whole paths by a regular expression. RE2 takes time in proportion to the path whatever the expression is; it
 * has no look-around and no back-references.
 *
 * @param path Where the expression stands in the options.
 * @throws AnnealError `ANNEAL_E_OPTIONS` when it cannot be compiled.
 */
export async function regexMatcher(expression: string, path: readonly (string | number)[]): Promise<Matcher> {
  // Only here: names and ends of paths, the usual case, need no engine.
  const { RE2JS } = await import('re2js');
  try {
    const compiled = RE2JS.compile(expression);
    return (text) => compiled.matches(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AnnealError(
      'ANNEAL_E_OPTIONS',
      `\`${path.join('.')}\` is not a regular expression of RE2: ${reason}, received ${JSON.stringify(expression)}`,
      { plugin: 'lora', path, fix: 'use RE2 syntax (no look-around), or a list of ends of module paths', cause },
    );
  }
}

/** Names at the end of paths, or one regular expression for whole paths. */
export async function pathMatcher(patterns: string | readonly string[], path: readonly string[]): Promise<Matcher> {
  if (typeof patterns !== 'string') return (text) => endsWithAny(text, patterns);
  return regexMatcher(patterns, path);
}

/** The value of the first key that a path ends with; keys are names or regular expressions. */
export async function valuesByEnd<T>(
  patterns: Readonly<Record<string, T>>,
  path: readonly string[],
): Promise<(text: string) => T | undefined> {
  const rules: (readonly [Matcher, T])[] = [];
  for (const [key, value] of Object.entries(patterns)) {
    const matcher = PLAIN.test(key)
      ? (text: string) => endsWithAny(text, [key])
      : await regexMatcher(`(?:.*\\.)?(?:${key})`, [...path, key]);
    rules.push([matcher, value]);
  }
  return (text) => rules.find(([matches]) => matches(text))?.[1];
}
